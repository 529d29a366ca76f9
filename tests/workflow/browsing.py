"""The report in a browser: what a person sees and does there."""

import time

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --window-size=1400,1000"
)


def wait(condition, seconds=30):
    until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < until, "nothing came"
        time.sleep(0.05)
    return found


def shown(page):
    """Class numbers in the gallery, in their order."""
    return page.execute_script(
        "return [...document.querySelectorAll('.tile')].map(tile => +tile.dataset.number)"
    )


def choose(page, name, value):
    page.execute_script(
        "const e = document.getElementById(arguments[0]); e.value = arguments[1];"
        "e.dispatchEvent(new Event('input')); e.dispatchEvent(new Event('change'))",
        name,
        value,
    )


def press(page, keys):
    from selenium.webdriver.common.action_chains import ActionChains

    ActionChains(page).send_keys(keys).perform()


def marks(page):
    classes = page.execute_script(
        "return [...document.querySelectorAll('.tile')].map(t => [t.dataset.number, t.className])"
    )
    return {
        int(number): name for number, text in classes for name in text.split() if name in ("keep", "junk")
    }
