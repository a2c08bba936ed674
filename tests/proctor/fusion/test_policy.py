"""A policy is read to the last field, or refused by name."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from proctor.domain.errors import InvalidInput
from proctor.domain.signals import SignalKind
from proctor.fusion.policy import parse_policy
from proctor.sensing.limits import SensingLimits

STANDARD = (Path(__file__).resolve().parents[3] / "policies" / "standard.yaml").read_text()


def small(**changes: Any) -> dict[str, Any]:
    rule = {
        "id": "no_face",
        "category": "conduct",
        "severity": "medium",
        "when": {"signal": "no_face"},
        "title": {"en": "No face"},
        "reason": {"en": "Nobody for {lasted_s:.1f} s."},
    }
    return {"id": "small", "version": 1, "name": "Small", "rules": [rule | changes]}


def test_the_standard_policy_states_the_defaults_and_a_rule_for_every_signal() -> None:
    policy = parse_policy(STANDARD)
    assert (policy.id, policy.version) == ("standard", 1)
    assert policy.sensing == SensingLimits()
    assert policy.sampling.face_hz == 1.0
    named = frozenset[SignalKind]().union(*(rule.when.kinds() for rule in policy.rules))
    assert named == frozenset(SignalKind)


def test_the_same_text_gives_the_same_policy_and_it_cannot_be_changed() -> None:
    policy = parse_policy(STANDARD)
    assert parse_policy(STANDARD) is policy
    with pytest.raises(ValidationError):
        policy.version = 2  # type: ignore[misc]


@pytest.mark.parametrize(
    ("where", "value", "named"),
    [
        (("sampling", "face_hz"), float("nan"), "sampling.face_hz"),
        (("sampling", "face_hz"), float("inf"), "sampling.face_hz"),
        (("sampling", "face_hz"), "0.5", "sampling.face_hz"),
        (("sampling", "face_hz"), True, "sampling.face_hz"),
        (("sampling", "face_hz"), 0, "sampling.face_hz"),
        (("sampling", "face_hz"), 0.01, "sensing.no_face.stale_ms"),
        (("sampling", "body_hz"), 0.01, "sensing.body.stale_ms"),
        (("sampling", "small_faces_every_s"), 3600.0, "sensing.several_faces.within_ms"),
        (("sensing", "gaze", "stale_ms"), 100, "sensing.gaze.stale_ms"),
        (("sensing", "head", "stale_ms"), 100, "sensing.head.stale_ms"),
        (("sensing", "several_faces", "within_ms"), 100, "sensing.several_faces.within_ms"),
        (("sensing", "identity", "within_ms"), 100, "sensing.identity.within_ms"),
        (("sensing", "identity", "readings"), 20, "sensing.identity.within_ms"),
        (("sensing", "body", "visible_from"), 0.0, "sensing.body.visible_from"),
        (("sensing", "body", "visible_from"), 1.0, "sensing.body.visible_from"),
        (("sensing", "picture", "dark_below"), 1.0, "sensing.picture.dark_below"),
        (("sensing", "picture", "flat_contrast_below"), 0.0, "flat_contrast_below"),
        (("sensing", "picture", "flat_detail_below"), 0.0, "flat_detail_below"),
        (("sensing", "gaze", "yaw_deg"), 9.9, "sensing.gaze.yaw_deg"),
        (("sensing", "gaze", "dwell_ms"), 1.5, "sensing.gaze.dwell_ms"),
        (("sensing", "gaze", "dwel_ms"), 100, "sensing.gaze.dwel_ms"),
        (("sensing", "several_faces", "needed"), 4, "sensing.several_faces"),
        (("sensing", "objects", "needed"), 1, "sensing.objects.needed"),
        (("sensing", "objects", "needed"), 4, "sensing.objects"),
        (("sensing", "objects", "within_ms"), 1_000, "sensing.objects.within_ms"),
        (("sensing", "objects", "allowed"), ["Phone"], "sensing.objects.allowed"),
        (("sampling", "objects_every_s"), 0.2, "sensing.objects.dwell_ms"),
        (("sampling", "objects_every_s"), 0.0, "object_seen needs sampling.objects_every_s"),
        (("sensing", "identity", "different_below"), 0.95, "sensing.identity"),
        (("is_admin",), True, "is_admin"),
        (("version",), 0, "version"),
        (("rules",), [], "rules"),
        (("language",), "nl", "text in the policy's language"),
        (("sampling", "face_attentive_hz"), 0.5, "face_attentive_hz"),
    ],
)
def test_a_wrong_field_is_named(where: tuple[str, ...], value: object, named: str) -> None:
    tree: dict[str, Any] = yaml.safe_load(STANDARD)
    inner = tree
    for step in where[:-1]:
        inner = inner[step]
    inner[where[-1]] = value
    with pytest.raises(InvalidInput) as refused:
        parse_policy(yaml.safe_dump(tree))
    assert named in refused.value.detail
    assert refused.value.code == "policy/invalid"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"when": {"signal": "phone"}}, "rules.0.when"),
        ({"when": {"maybe": []}}, "exactly one of"),
        ({"when": {"signal": "no_face", "not": {"signal": "speech"}}}, "rules.0.when"),
        ({"when": {"not": {"signal": "no_face"}}}, "missing data alone"),
        ({"when": {"any": [{"signal": "speech"}, {"not": {"signal": "no_face"}}]}}, "missing data"),
        ({"when": {"all": []}}, "rules.0.when"),
        ({"when": {"signal": "gaze_away"}, "severity": "high"}, "gaze alone"),
        (
            {
                "when": {"any": [{"signal": "gaze_away"}, {"signal": "speech"}]},
                "escalate": {"after_ms": 9_000, "severity": "high"},
            },
            "gaze alone",
        ),
        ({"when": {"signal": "object_seen"}, "severity": "high"}, "a thing seen alone"),
        ({"when": {"signal": "whisper"}, "severity": "high"}, "whispering alone"),
        ({"when": {"signal": "voice_without_lips"}, "severity": "high"}, "still lips alone"),
        ({"when": {"signal": "other_voice"}, "severity": "high"}, "another voice alone"),
        ({"when": {"signal": "several_voices"}, "severity": "high"}, "a count of voices alone"),
        ({"when": {"signal": "other_voice"}}, "needs sampling.speakers_every_s"),
        ({"when": {"not": {"signal": "several_voices"}}}, "missing data alone"),
        ({"reason": {"en": "{labels}"}}, "{labels} is none of the figures"),
        ({"when": {"signal": "object_seen"}, "reason": {"en": "{labels:>9}"}}, "{labels} is none"),
        ({"escalate": {"after_ms": 9_000, "severity": "low"}}, "escalate.severity"),
        ({"for_ms": 9_000, "escalate": {"after_ms": 9_000, "severity": "high"}}, "after_ms"),
        ({"reason": {"en": "{faces} faces"}}, "{faces} is none of the figures"),
        ({"reason": {"en": "{lasted_s.__class__}"}}, "none of the figures"),
        ({"reason": {"en": "{lasted_s!r}"}}, "none of the figures"),
        ({"reason": {"en": "{lasted_s:>999999999}"}}, "formats"),
        ({"reason": {"en": "{lasted_s"}}, "rules.0"),
        ({"title": {"en": "{lasted_s}"}}, "none of the figures"),
        ({"title": {"english": "No face"}}, "rules.0.title"),
        ({"id": "No Face"}, "rules.0.id"),
    ],
)
def test_a_wrong_rule_is_named(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_policy(yaml.safe_dump(small(**changes)))
    assert named in refused.value.detail


@pytest.mark.parametrize(
    "kinds",
    [
        ("other_voice", "several_voices"),
        ("pictures_doubled", "steady_beat"),
    ],
)
def test_two_weak_facts_about_the_same_thing_are_no_more_than_one(kinds: tuple[str, str]) -> None:
    both = {"all": [{"signal": kind} for kind in kinds]}
    policy = small(severity="medium", when=both, reason={"en": "x"})
    policy["sampling"] = {"speakers_every_s": 10.0}
    parse_policy(yaml.safe_dump(policy))
    policy["rules"][0]["severity"] = "high"
    with pytest.raises(InvalidInput, match=r" and .* alone never reaches high severity"):
        parse_policy(yaml.safe_dump(policy))


def test_gaze_with_something_else_may_be_urgent() -> None:
    both = {"all": [{"signal": "gaze_away"}, {"signal": "speech"}]}
    text = yaml.safe_dump(small(when=both, severity="high"))
    assert parse_policy(text).rules[0].severity == "high"


def test_what_was_seen_may_be_named_in_the_reason_and_nowhere_else() -> None:
    tree = small(when={"signal": "object_seen"}, reason={"en": "{labels} for {lasted_s:.0f} s"})
    tree["sampling"] = {"objects_every_s": 5.0}
    assert parse_policy(yaml.safe_dump(tree)).rules[0].reason["en"].startswith("{labels}")
    tree["rules"][0]["when"] = {"any": [{"signal": "object_seen"}, {"signal": "speech"}]}
    with pytest.raises(InvalidInput, match="labels"):
        parse_policy(yaml.safe_dump(tree))


def test_two_rules_may_not_share_an_id() -> None:
    tree = small()
    tree["rules"] *= 2
    text = yaml.dump(tree, Dumper=_NoAliases)
    with pytest.raises(InvalidInput, match="share an id"):
        parse_policy(text)


class _NoAliases(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:
        return True


@pytest.mark.parametrize(
    "word",
    [
        *("emotion", "stress", "attention", "engagement", "Emotion-score"),
        *("angry", "upset", "calm", "fearful", "surprise", "tired", "confused", "frustrated"),
        *("anxious", "distracted", "is_scared", "trustworthiness"),
    ],
)
def test_states_of_mind_do_not_exist(word: str) -> None:
    for changes in (
        {"id": f"{word.lower()}"},
        {"when": {"signal": word}},
        {"title": {"en": f"Low {word}"}},
        {word: 0.5},
    ):
        with pytest.raises(InvalidInput) as refused:
            parse_policy(yaml.safe_dump(small(**changes)))
        assert refused.value.code == "detector/prohibited"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "just words",
        "id: [",
        "id: a\nid: b",
        "a: &x [1]\nb: *x",
        "!!python/object/apply:os.system [echo]",
        "when: 2026-01-01",
        "? [1, 2]\n: 3",
        "name: !!timestamp x",
        "name: !!bool x",
        'name: !!int ""',
        "[" * 5_000,
        "x" * 70_000,
    ],
)
def test_what_is_no_policy_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_policy(text)
    assert "\n" not in refused.value.detail
    assert len(refused.value.detail) < 500


@pytest.mark.parametrize(
    ("written", "meant"), [("off", "off"), ('"off"', "off"), ("required", "required")]
)
def test_yaml_reads_off_as_false_and_here_it_is_a_word(written: str, meant: str) -> None:
    text = STANDARD.replace("challenge: off ", f"challenge: {written} ")
    assert parse_policy(text).enrolment.challenge == meant


@pytest.mark.parametrize("written", ["on", "maybe", "0", "null"])
def test_any_other_word_for_a_challenge_is_refused(written: str) -> None:
    with pytest.raises(InvalidInput, match=r"enrolment\.challenge"):
        parse_policy(STANDARD.replace("challenge: off ", f"challenge: {written} "))


def test_pictures_of_the_mouth_are_only_needed_by_a_rule_that_looks_at_it() -> None:
    slow = {"face_hz": 1.0, "face_attentive_hz": 1.0}
    parse_policy(yaml.safe_dump({**small(), "sampling": slow}))
    lips = small(when={"signal": "voice_without_lips"})
    with pytest.raises(InvalidInput, match=r"lips\.within_ms"):
        parse_policy(yaml.safe_dump({**lips, "sampling": slow}))
