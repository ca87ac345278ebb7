"""What every test shares: the real services, and hypothesis without a clock."""

from hypothesis import settings

pytest_plugins = ["services.fixtures"]

# A deadline is a timed assertion, and machines differ.
settings.register_profile("modeltrail", deadline=None)
settings.load_profile("modeltrail")
