"""What tests of all folders share."""

from tests.support.postgresql import postgresql

__all__ = ["postgresql"]
