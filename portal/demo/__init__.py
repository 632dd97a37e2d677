"""The demo: the whole portal on one machine, with a stand-in for the providers."""

# How fast the stand-in's Cline side may be read. At the pace that the vendor is known to bear its thirteen
# months of usage take many hours, and whoever tries the demo looks at it now.
CLINE_REQUESTS_A_MINUTE = 300
