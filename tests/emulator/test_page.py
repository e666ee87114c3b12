"""The page, the routes behind it, and a real browser on it."""

import shutil
import subprocess
import tempfile

import pytest

from azureai_emulator import serve
from langchain_azureai import ChatAzureAI

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")


@pytest.fixture
def data(wire, emulator):
    def data(path, method="GET", key=emulator.key):
        return wire.http.request(method, f"{emulator.url}/_emulator/{path}", headers={"api-key": key})

    return data


@pytest.mark.parametrize(
    ("path", "kind"), [("/", "html"), ("/_emulator/page.css", "css"), ("/_emulator/page.js", "javascript")]
)
def test_the_page_loads_without_a_key(wire, emulator, path, kind):
    """Static files only, which load nothing from elsewhere."""
    answer = wire.http.get(emulator.url + path)

    assert answer.status_code == 200
    assert kind in answer.headers["content-type"]
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert "http://" not in answer.text
    assert "https://" not in answer.text
    assert emulator.key not in answer.text
    assert wire.http.post(emulator.url + path).status_code == 405


@pytest.mark.parametrize("path", ["exchanges", "exchanges/1", "faults"])
def test_data_needs_the_key(data, path):
    """401 without it."""
    assert data(path, key="wrong").status_code == 401


def test_exchanges_are_listed_after_a_number(wire, data, emulator):
    """A summary each; the routes of the page itself are not among them."""
    wire.chat()
    wire.embed(input=["a"])
    first, second = data("exchanges").json()["items"]
    later = data(f"exchanges?after={first['number']}").json()

    assert (first["deployment"], first["route"], first["status"]) == ("gpt-4o", "chat/completions", 200)
    assert first["tokens"] == emulator.requests[0].response["usage"]["total_tokens"]
    assert first["done"]
    assert later["items"] == [second]
    assert later["first"] == first["number"]
    assert data("exchanges?after=x").status_code == 400


def test_an_exchange_has_everything(wire, data, emulator):
    """Request, frames with times, headers with masked secrets."""
    wire.chat(stream=True)
    number = data("exchanges").json()["items"][0]["number"]
    answer = data(f"exchanges/{number}")
    item = answer.json()

    assert item["body"]["stream"] is True
    assert len(item["frame_times"]) == len(item["response"]) > 3
    assert item["frame_times"] == sorted(item["frame_times"])
    assert item["headers"]["api-key"] == "***"
    assert emulator.key not in answer.text
    assert data("exchanges/999999").status_code == 404


def test_clearing_the_record(wire, data):
    """`DELETE`; numbers go on."""
    wire.chat()
    before = data("exchanges").json()["items"][0]["number"]

    assert data("exchanges", "DELETE").json()["items"] == []
    wire.chat()
    assert data("exchanges").json()["items"][0]["number"] == before + 1


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_repeats_the_request(wire, data, emulator):
    """With the key in the variable KEY; quotes and letters of any kind survive."""
    text = 'It\'s "odd" - $HOME `x` ü\\n'
    wire.chat("mistral-large-2411", "serverless", messages=[{"role": "user", "content": text}])
    number = data("exchanges").json()["items"][-1]["number"]
    command = data(f"exchanges/{number}").json()["curl"]
    subprocess.run(["sh", "-c", command], env={"KEY": emulator.key, "PATH": "/usr/bin:/bin"}, check=True, capture_output=True)  # fmt: skip

    one, two = emulator.requests
    assert (two.status, two.path, two.query, two.body) == (200, one.path, one.query, one.body)


@pytest.fixture
def browser():
    selenium = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    if not CHROMIUM or not DRIVER:
        pytest.skip("chromium and chromium-driver are not installed")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        options = selenium.ChromeOptions()
        options.binary_location = CHROMIUM
        for flag in ("headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-sync"):
            options.add_argument(f"--{flag}")
        for flag in ("disable-background-networking", "disable-component-update", f"user-data-dir={folder}"):
            options.add_argument(f"--{flag}")
        driver = selenium.Chrome(options=options, service=selenium.ChromeService(DRIVER))
        driver.set_window_size(1400, 1000)
        yield driver
        driver.quit()


class Page:
    def __init__(self, driver):
        from selenium.webdriver.support.wait import WebDriverWait

        self.driver = driver
        self._wait = WebDriverWait(driver, 10)

    def find(self, selector):
        return self.driver.find_element("css selector", selector)

    def sees(self, selector, text):
        self._wait.until(lambda _: text in self.find(selector).text, f"{text!r} in {selector}")

    def write(self, selector, text):
        self.find(selector).send_keys(text + "\n")


@pytest.fixture
def opened(browser):
    with serve(key="page-key") as emulator:
        page = Page(browser)
        browser.get(emulator.url)
        page.write("#key", "page-key")
        page.sees("#status", "0 exchanges")
        yield page, emulator


@pytest.mark.slow
def test_in_a_browser(opened):
    """A chat of the LangChain adapter appears, opens, a fault is thrown, the chat box streams."""
    page, emulator = opened
    model = ChatAzureAI(endpoint=emulator.endpoint("gpt-4o", "openai-v1"), credential="page-key", model="gpt-4o")
    assert "".join(chunk.text for chunk in model.stream("from LangChain"))

    page.sees("#rows", "chat/completions")
    page.sees("#rows tr td:nth-child(2)", "gpt-4o")
    page.sees("#rows tr td:nth-child(4)", "200")
    page.find("#rows tr button").click()
    page.sees("#detail-body", "from LangChain")
    page.sees("#detail-frames", "chat.completion.chunk")
    page.sees("#detail-body", "curl -X POST")
    assert "page-key" not in page.find("#detail").text
    page.find("#detail-close").click()

    page.find('[data-spec="503"]').click()
    page.sees("#fault-pending", "status 503")
    page.write("#chat-text", "Hello there")
    page.sees("#chat-log", "Failed: 503")
    page.sees("#fault-pending", "None pending.")
    page.write("#chat-text", "Once more")
    page.sees("#chat-log .assistant", 'You said "Once more".')
    page.sees("#deployment-list", "mistral-large-2411")
    page.find("#deployment-list summary").click()
    page.sees("#deployment-list", "Streams usage only when stream_options.include_usage asks for it.")
    assert [item.status for item in emulator.requests] == [200, 503, 200]


@pytest.mark.slow
def test_keyboard_and_narrow_screens(opened, http):
    """Rows open with Enter, Escape closes; at 360 pixels nothing sticks out."""
    page, emulator = opened
    body = {"model": "text-embedding-3-small", "input": ["x"]}
    http.post(emulator.url + "/openai/v1/embeddings", json=body, headers={"api-key": "page-key"})
    page.sees("#rows", "embeddings")
    page.find("#rows tr button").send_keys("\n")
    page.sees("#detail-title", "/openai/v1/embeddings")
    page.driver.switch_to.active_element.send_keys("\ue00c")
    assert not page.find("#detail").is_displayed()

    metrics = {"width": 360, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    assert page.driver.execute_script("return document.documentElement.scrollWidth") <= 360


@pytest.mark.slow
def test_a_wrong_key_is_said(browser, emulator):
    """And asked for again: nothing is shown or kept until the right one is given."""
    page = Page(browser)
    browser.get(emulator.url)
    page.write("#key", "wrong")
    page.sees("#login-error", "The key is wrong.")

    assert page.find("#login").is_displayed()
    assert not page.find("#app").is_displayed()
    assert browser.execute_script("return sessionStorage.getItem('key')") is None
    page.find("#key").clear()
    page.write("#key", emulator.key)
    page.sees("#status", "exchange")
    assert not page.find("#login").is_displayed()
