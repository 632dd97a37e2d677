"""As the portal's own pages write them (``apps/ui/times.py``)."""
