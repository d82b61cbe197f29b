"""The pytest plug-in: tests of a Twilio app against a real callrouter on this machine (docs/how-to/test-your-app.md).

    def test_sales_answers(callrouter):
        callrouter.serve(my_flask_app)
        callrouter.number("+14155550199", voice_url="/voice")
        alice = callrouter.client("alice")
        caller = callrouter.call("+14155550100", "+14155550199")
        caller.hears("Press one for sales").presses("1")
        alice.answers().hears(caller).hangs_up()
        callrouter.expect_dial_status("completed")

It does nothing until a test asks for `callrouter` or a `*.scenario` file is run: by its name, or all of them with the
ini option `callrouter_scenarios = true`. Everything else is imported only then.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from callrouter.scenario.deployment import LocalDeployment
    from callrouter.scenario.testing import Callrouter

SUFFIX = ".scenario"
COLLECT, OPTION = "callrouter_scenarios", "--callrouter-scenarios"
SECTION = "callrouter: what happened"
DEPLOYMENT: pytest.StashKey[LocalDeployment] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini(COLLECT, "Run *.scenario files in the test folders as tests.", type="bool", default=False)
    parser.getgroup("callrouter").addoption(
        OPTION,
        action="store_true",
        help=f"Run *.scenario files in the test folders, as {COLLECT} = true does.",
    )


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    if file_path.suffix != SUFFIX:
        return None
    wanted = parent.config.getini(COLLECT) or parent.config.getoption(OPTION)
    if not wanted and not parent.session.isinitpath(file_path):
        return None
    return ScenarioFile.from_parent(parent, path=file_path)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if deployment := session.config.stash.get(DEPLOYMENT, None):
        del session.config.stash[DEPLOYMENT]
        deployment.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that failed says in a section of its own what happened in its calls."""
    report = yield
    if report.when == "call" and report.failed:
        router: Any = getattr(item, "funcargs", {}).get("callrouter")
        if isinstance(item, ScenarioItem):
            report.sections.append((SECTION, item.happened))
        elif hasattr(router, "ladders"):
            report.sections.append((SECTION, router.ladders() or "no call and no message"))
    return report


@pytest.fixture
def callrouter(callrouter_deployment: LocalDeployment) -> Iterator[Callrouter]:
    """A real callrouter for this test: an account, numbers, phones, clients (callrouter.scenario.testing)."""
    from callrouter.scenario.testing import Callrouter

    made = Callrouter(callrouter_deployment)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(scope="session")
def callrouter_deployment(pytestconfig: pytest.Config) -> LocalDeployment:
    """The processes that all tests of a session share; with xdist, of a worker."""
    return _deployment(pytestconfig)


def _deployment(config: pytest.Config) -> LocalDeployment:
    """Started when first needed, ended with the session."""
    from callrouter.scenario.deployment import LocalDeployment

    if DEPLOYMENT not in config.stash:
        deployment = LocalDeployment()
        deployment.__enter__()
        config.stash[DEPLOYMENT] = deployment
    return config.stash[DEPLOYMENT]


class ScenarioFile(pytest.File):
    """A scenario is one test, named as its file is."""

    def collect(self) -> Iterator[pytest.Item]:
        yield ScenarioItem.from_parent(self, name=self.path.stem)


class ScenarioItem(pytest.Item):
    """Reads the file and plays it on the session's deployment; `happened` is what a failure shows."""

    happened = ""

    def runtest(self) -> None:
        from callrouter.scenario.faults import Differs, WrongScenario
        from callrouter.scenario.ladders import as_text
        from callrouter.scenario.language import parse
        from callrouter.scenario.play import play_alone

        try:
            scenario = parse(self.path.read_text(encoding="utf-8"), self.path.name)
        except UnicodeDecodeError as fault:
            raise Differs(f"{self.path.name} is not UTF-8 text; save it as that") from fault
        except WrongScenario as wrong:
            self.happened = str(wrong)
            first, more = wrong.faults[0], len(wrong.faults) - 1
            raise Differs(
                f"{wrong.name}:{first.line}:{first.column}: {first.message}" + (f" (+{more})" if more else "")
            ) from None
        played = play_alone(scenario, _deployment(self.config), self.path.parent)
        if not played.good:
            steps = "\n".join(done.shown for done in played.steps)
            self.happened = "\n\n".join([steps, *(as_text(ladder).strip() for ladder in played.ladders)])
            faults = [f"{self.path.name}:{done.step.line}: {done.fault}" for done in played.faults]
            raise Differs("; ".join(faults))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Our own exceptions say all; for others the traceback is wanted."""
        from callrouter.scenario.faults import CannotPlay, Differs

        if isinstance(excinfo.value, Differs | CannotPlay):
            return excinfo.getrepr(style="value")
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, 0, f"scenario {self.name}"
