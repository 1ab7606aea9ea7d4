"""JUnit XML, for systems that show test results: a test case per cell and metric."""

from __future__ import annotations

import re
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from dig_bench.compare.cell_comparison import CellComparison
from dig_bench.compare.comparison import Comparison
from dig_bench.compare.finding import Finding
from dig_bench.compare.output import words
from dig_bench.results.metrics import METRICS

_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot hold, escaped or not."""


def render(comparison: Comparison) -> str:
    """Returns the XML: a regression is a failure, an undecided cell is skipped, a refused comparison is an error."""
    suite = Element("testsuite", name="dig-bench compare")
    if comparison.refused or not comparison.cells:
        case = _case(suite, "conditions", "conditions")
        reason = "\n".join(map(str, comparison.differences)) or words.headline(comparison)
        _outcome(case, "error", words.headline(comparison), reason)
    for cell in comparison.cells:
        if cell.state != "compared":
            _add_state(_case(suite, cell.key.name, str(cell.key)), cell)
        for finding in cell.findings:
            name = f"{cell.key} {METRICS[finding.metric].title}"
            _add_finding(_case(suite, cell.key.name, name), finding)
    for tag, attribute in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        suite.set(attribute, str(len(suite.findall(f"testcase/{tag}"))))
    suite.set("tests", str(len(suite.findall("testcase"))))
    suites = Element("testsuites")
    suites.append(suite)
    ElementTree.indent(suites)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(suites, encoding="unicode") + "\n"


def _case(suite: Element, group: str, name: str) -> Element:
    return SubElement(suite, "testcase", classname=_text(f"dig-bench.{group}"), name=_text(name))


def _add_state(case: Element, cell: CellComparison) -> None:
    if cell.state in ("failed", "missing"):
        _outcome(case, "failure", words.label(cell), "\n".join(words.reasons(cell)))
    elif cell.state in ("unstable", "not measured"):
        _outcome(case, "skipped", words.label(cell), "\n".join(words.reasons(cell)))


def _add_finding(case: Element, finding: Finding) -> None:
    if finding.verdict not in ("slower", "undecided"):
        return
    limit = words.threshold(finding.threshold, finding.metric)
    message = f"{words.verdict(finding)} {words.ratio(finding)}, threshold {limit}"
    base, candidate = (words.values(side, finding.metric) or "none" for side in (finding.base, finding.candidate))
    text = "\n".join(filter(None, (finding.note, f"base: {base}", f"candidate: {candidate}")))
    _outcome(case, "failure" if finding.verdict == "slower" else "skipped", message, text)


def _outcome(case: Element, tag: str, message: str, text: str) -> None:
    element = SubElement(case, tag, message=_text(message))
    element.text = _text(text)


def _text(text: str) -> str:
    return _NO_XML.sub(" ", text)
