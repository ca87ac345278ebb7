"""What every test shares: the real services, and hypothesis without a clock."""

from hypothesis import Phase, settings

pytest_plugins = ["services.fixtures"]

# A deadline is a timed assertion, and machines differ.
settings.register_profile("modeltrail", deadline=None)
# For tests/mutants: that a test fails is enough, the smallest example is of no interest.
settings.register_profile("mutants", deadline=None, phases=(Phase.explicit, Phase.generate))
settings.load_profile("modeltrail")
