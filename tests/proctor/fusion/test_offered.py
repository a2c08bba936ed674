"""A policy may ask for more than an installation can give; then it is told what does not exist."""

import yaml

from proctor.domain.candidates import ConsentScope
from proctor.domain.signals import SignalKind
from proctor.fusion.offered import LIKENESS, NEEDS, SPEAKERS, signals_off
from proctor.fusion.policy import parse_policy
from tests.fakes.facts import STANDARD_POLICY

ALWAYS = ("face", "body", "speech")


def test_without_a_detector_the_signal_for_things_does_not_exist() -> None:
    policy = parse_policy(STANDARD_POLICY)
    assert SignalKind.OBJECT_SEEN in signals_off(policy, ALWAYS)
    assert SignalKind.OBJECT_SEEN not in signals_off(policy, (*ALWAYS, "objects"))
    assert signals_off(policy, (*ALWAYS, *NEEDS.values())) == ()


def test_without_a_model_of_speakers_there_is_no_telling_voices_apart() -> None:
    policy = parse_policy(STANDARD_POLICY)
    voices = {SignalKind.OTHER_VOICE, SignalKind.SEVERAL_VOICES}
    assert voices <= set(signals_off(policy, ALWAYS))
    assert not voices & set(signals_off(policy, (*ALWAYS, SPEAKERS, LIKENESS)))
    uncalibrated = voices & set(signals_off(policy, (*ALWAYS, SPEAKERS)))
    assert uncalibrated == {SignalKind.OTHER_VOICE}
    needs_no_model = {SignalKind.WHISPER, SignalKind.VOICE_WITHOUT_LIPS}
    assert not needs_no_model & set(signals_off(policy, ALWAYS))


def test_without_the_candidate_s_consent_their_session_has_no_such_signals() -> None:
    policy, served = parse_policy(STANDARD_POLICY), (*ALWAYS, *NEEDS.values())
    assert signals_off(policy, served, (ConsentScope.FACE,)) == (SignalKind.OTHER_VOICE,)
    of_the_face = {
        SignalKind.DIFFERENT_PERSON,
        SignalKind.IDENTITY_UNVERIFIED,
        SignalKind.NOT_LIVE,
    }
    assert set(signals_off(policy, served, (ConsentScope.VOICE,))) == of_the_face
    assert signals_off(policy, served, (ConsentScope.FACE, ConsentScope.VOICE)) == ()


def test_a_policy_that_does_not_ask_for_it_misses_nothing() -> None:
    tree = yaml.safe_load(STANDARD_POLICY)
    tree["rules"] = [rule for rule in tree["rules"] if rule["id"] == "no_face"]
    assert signals_off(parse_policy(yaml.safe_dump(tree)), ALWAYS) == ()
