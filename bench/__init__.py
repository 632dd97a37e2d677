"""``make bench``: each module here that has ``run()`` measures something and yields its Figures.

Every figure is a ratio within one run: the contender and its floor or peer take turns in the same
process, and the median of several rounds counts. What else the machine does shows in both.
"""
