"""A real browser: Debian's Chromium without a window, driven by Selenium; installed where we may."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from localcluster import tools
from localcluster.console import ClusterError
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.remote.webdriver import WebDriver

_PROGRAMS = ("chromium", "chromedriver")
_PACKAGES = ("chromium", "chromium-driver", "fonts-dejavu-core")
_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def ensure() -> str:
    """Install the browser if it is missing; return why that is impossible, or ""."""
    if all(map(shutil.which, _PROGRAMS)):
        return ""
    try:
        tools.install(*_PACKAGES)
    except ClusterError as error:
        return str(error)
    return ""


@contextmanager
def browser(
    width: int, height: int, *, dark: bool = False, scripts: bool = True, trusting: bool = False
) -> Iterator[WebDriver]:
    """A window of this size (below 600 pixels: a phone), in light or dark mode. `trusting`: of any certificate."""
    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    options.accept_insecure_certs = trusting
    for flag in (*_FLAGS, f"--window-size={width},{height}"):
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=Service(str(shutil.which("chromedriver"))))
    try:
        phone = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
        driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not scripts})
        yield driver
    finally:
        driver.quit()
