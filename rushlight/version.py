"""Version of the API that is offered, and of what is not in it."""

__version__ = "2.13.0+rushlight"
cuda = None
hip = None
xpu = None
debug = False
git_version = "rushlight"
