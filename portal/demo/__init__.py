"""The demo: the whole portal on one machine, with a stand-in for the providers."""
