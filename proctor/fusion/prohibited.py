"""Words of states of mind and character: nothing here infers them, so no policy or detector may name them.

Inferring emotions in education is forbidden (EU AI Act, article 5 (1) (f)), and nothing here guesses at
character either: a label is refused for what it says, before anything is measured by it. Whole English
words are compared, so a `fearless` brand or a `madeleine` is nobody's fear or madness. Left out is what
technical texts need: affect, confidence, focus, interest, neutral, suspicious, and attentive (a policy's
rate when something is going on).
"""

import re
import unicodedata
from collections.abc import Iterable

_BY_REASON = {
    "emotions, with the classes of the usual data sets (FER, AffectNet, RAVDESS)": """
        anger angry annoyance annoyed calm calmness contempt contemptuous delighted disappointed
        disappointment disgust disgusted embarrassed embarrassment emotion emotional emotions excited
        excitement fury furious grief happiness happy hate hatred jealous jealousy joy joyful mad mood
        moods moody rage sad sadness sentiment sentiments surprise surprised unhappiness unhappy upset
    """,
    "fear and strain": """
        afraid anxiety anxious anxiousness fear fearful fears frightened nervous nervously nervousness
        panic panicked panicking scared stress stressed stressful tense tension terrified worried worry
        worrying
    """,
    "what learning tools call engagement": """
        attention attentiveness bored boredom concentrated concentrating concentration
        confused confusion curious curiosity disengaged disengagement disinterest distracted
        distraction engaged engagement frustrated frustration inattention inattentive
        motivated motivation uninterested
    """,
    "tiredness read from a face": """
        drowsiness drowsy exhausted exhaustion fatigue fatigued sleepiness sleepy tired tiredness weary
    """,
    "honesty and character": """
        aggressive aggression aggressiveness credibility deceit deceitful deceive
        deceiving deception deceptive dishonest dishonesty guilt guilty honest honesty hostile hostility
        insecure introvert introverted extrovert extroverted liar lie lying personality shame shy
        shyness sincere sincerity trustworthiness trustworthy untrustworthy
    """,
}
PROHIBITED = frozenset(word for words in _BY_REASON.values() for word in words.split())
"""In small letters."""


def words_of(said: str) -> list[str]:
    """The words of a text in small letters; `isAngry` and `is_angry` are two each.

    Everything that is no letter is between words, and so is the step from a small letter to a capital.
    Letters of another width or shape are the letters that they look like, and what nobody sees (a soft
    hyphen, a joiner) is not there.
    """
    shown = "".join(
        each for each in unicodedata.normalize("NFKC", said) if unicodedata.category(each) != "Cf"
    )
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", shown)
    return [word for word in re.split(r"[^a-z]+", apart.lower()) if word]


def states_of_mind(said: Iterable[str]) -> list[str]:
    """The prohibited words in any of the texts, in the order of the alphabet."""
    return sorted({word for each in said for word in words_of(each)} & PROHIBITED)
