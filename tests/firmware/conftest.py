"""What the firmware tests share."""

import pytest

from tests.firmware import c_driver


@pytest.fixture(scope="session")
def driver(tmp_path_factory) -> c_driver.Driver:
    """The compiled C driver."""
    if c_driver.COMPILER is None:
        pytest.skip("needs a C compiler")
    return c_driver.build(tmp_path_factory.mktemp("driver"))
