"""Pages, figures and plots of what the packages below have measured."""

if __name__ != "ohmgate.report":
    raise ImportError(f"the name of this package is ohmgate.report, not {__name__}")
