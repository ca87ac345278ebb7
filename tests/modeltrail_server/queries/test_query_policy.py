"""Policies: what is written is what decides; points are explained and bounded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from modeltrail_server.queries.completeness import Finding, Level, Report, sort_findings
from modeltrail_server.queries.policy import POINTS, Policy, PolicyError, parse_pieces, parse_policy

FINDINGS = st.lists(
    st.builds(Finding, st.sampled_from(Level), st.sampled_from(sorted(POINTS)), st.text(max_size=3)), max_size=12
)


def report(*findings, **policy):
    return Report("run:1", sort_findings(findings), Policy(**policy))


def test_a_policy_is_the_check_table_of_a_toml_file():
    text = '[check]\nrequire = ["data", "code"]\nstrict = ["data"]\nfail_under = 80\n[other]\nx = 1\n'

    assert parse_policy(text, source="p.toml") == Policy(("data", "code"), ("data",), 80)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[check", "p.toml is not TOML"),
        ("x = 1", "no [check] table"),
        ("[check]\nrequired = []", "check.required means nothing"),
        ('[check]\nrequire = "data"', "no list"),
        ('[check]\nrequire = ["dat"]', "no piece 'dat'"),
        ("[check]\nfail_under = 101", "no number of points"),
        ("[check]\nfail_under = true", "no number of points"),
    ],
)
def test_a_policy_that_cannot_be_read_is_refused_with_its_place(text, words):
    with pytest.raises(PolicyError, match=r"p\.toml") as caught:
        parse_policy(text, source="p.toml")

    assert words in str(caught.value)
    assert caught.value.remedy


def test_without_a_policy_whatever_is_missing_decides():
    assert report(Finding(Level.WEAK, "seed", "none", absent=True)).passed
    assert report(Finding(Level.MISSING, "data", "none")).refusals == ("data is missing",)


def test_only_required_pieces_decide_and_what_is_absent_is_not_there():
    found = (Finding(Level.MISSING, "data", "none"), Finding(Level.WEAK, "seed", "none", absent=True))

    assert report(*found, require=("code",)).refusals == ("code is not recorded",)
    assert report(*found, require=("seed",)).refusals == ("seed is not recorded",)
    assert report(*found, require=("data",)).refusals == ("data is missing",)


def test_a_strict_piece_must_not_be_weak():
    found = (Finding(Level.WEAK, "code", "dirty"),)

    assert report(*found, require=("code",)).passed
    assert report(*found, require=("code",), strict=("code",)).refusals == ("code is weak",)


def test_too_few_points_fail_and_say_how_many_there_are():
    (said,) = report(Finding(Level.OK, "data", "tx"), fail_under=80).refusals

    assert said == "33 points are under 80"


@given(FINDINGS)
def test_points_lie_between_0_and_100_and_are_the_sum_of_the_pieces(findings):
    judged = report(*findings)

    assert 0 <= judged.score <= 100
    assert all(0 <= score.points <= score.of for score in judged.scores)
    assert judged.passed == judged.complete


def test_all_there_and_sure_is_100():
    assert report(*(Finding(Level.OK, piece, "") for piece in POINTS)).score == 100


def test_pieces_are_words_between_commas():
    assert parse_pieces("data, code,,data", source="--require") == ("data", "code")
