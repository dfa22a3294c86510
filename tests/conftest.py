"""What all tests share: hypothesis measures no time here, since the machine may be busy."""

from hypothesis import settings

settings.register_profile("house", deadline=None)
settings.load_profile("house")
