"""The subject of a prompt: the nouns that its picture must show, found without a grammar.

The prompt is cut into clauses. A clause may begin with the medium ("oil painting of"); its noun phrase ends at the next
preposition, verb form or conjunction, and the last words of the noun phrase name the subject. "A man-eating shark" is
about a shark, "an orange cat by a fire engine" about a cat, and "street food" about food. The first clause that has a
subject decides. Clauses before it may only hold words for medium, style and quality, as "masterpiece, best quality".
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

#: Words of a prompt that are searched.
MAX_WORDS = 200


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


ARTICLES = frozenset({"a", "an", "the", "one"})

#: Words after which a noun phrase describes where the subject is, or what it has.
_PREPOSITIONS = _words(
    "in on at with by near beside behind under over before from through across against into onto above below between "
    "beneath beyond inside outside around along during for to of as upon within without among amid opposite off out up "
    "down wearing holding"
)

#: Other words that end a noun phrase.
_STOPS = _words(
    "and or but while who which that is are was were has have had while where when looking made it its his her their "
    "he she they this these those then there very not"
)

#: Words that stand between a medium and the subject.
_DEPICTING = _words("of depicting showing")

#: All words that end a noun phrase.
_ENDS = _PREPOSITIONS | _STOPS | _DEPICTING

#: Words that deny what follows.
_DENIALS = frozenset({"no", "without", "not", "never"})

#: Words for a medium or a view: "X of Y" is about Y.
MEDIA = _words(
    "picture image photo photograph photography painting drawing sketch illustration portrait watercolor watercolour "
    "comic cartoon render rendering print poster icon lithograph woodcut collage closeup close-up close up view shot "
    "depiction digital art artwork oil ink pencil pastel acrylic gouache 3d pen canvas concept manga anime animation "
    "black white b&w monochrome vector scene pair group bunch lot piece couple number stack pile"
)

#: Words for quality and style that may stand before the subject, besides those that the model's pictures have.
_QUALITY = _words(
    "masterpiece best quality highly detailed detail 4k 8k hd uhd hdr trending artstation award winning professional "
    "beautiful stunning realistic photorealistic cinematic high resolution sharp focus intricate dramatic lighting "
    "colorful colourful style abstract modern vintage"
)

#: First words of a pair that names something else than its second word does.
_MISLEADING = _words(
    "sea guinea prairie polar hot river rocking toy snow ice sand fire ginger action paper rubber plastic stone marble "
    "bronze gingerbread cat dog horse lego origami soldier iron spider statue stuffed wooden glass clay"
)

#: Words that describe a subject and never name one.
_DESCRIPTIONS = _words(
    "big small little large tiny huge giant young old new cute pretty happy sad angry funny two three four five "
    "several many some red green blue yellow brown pink purple gray grey dark bright"
)

_CLAUSES = re.compile(r"[,.;:!?()\[\]\n|]+")
_WORDS = re.compile(r"[^\W_]+(?:['’&-][^\W_]+)*")
_FORMS = re.compile(r".{2,}(?:ing|ed|ly)$")


def words_of(text: str) -> list[str]:
    """Return the words of a text without articles, in lower case and (approximately) in the singular."""
    words = re.findall(r"[^\W_]+", text.lower())
    return [singular(word) for word in words if word not in ARTICLES]


def singular(word: str) -> str:
    """Return a word without the plural's s; also "women" and "men"."""
    irregular = {"women": "woman", "men": "man", "ladies": "lady", "children": "child", "people": "people"}
    if word in irregular:
        return irregular[word]
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def subject_phrases(prompt: str, style_words: Collection[str]) -> Iterator["SubjectPhrase"]:
    """Yield the phrases that may name the subject, the first ones first.

    A phrase comes only if all words of those before it are about medium, style or quality: something that the prompt
    mentions later must not replace a subject that the caller does not know.

    Args:
        prompt: any text in any language.
        style_words: words for medium and style in the singular.
    """
    left = MAX_WORDS
    for number, clause in enumerate(_CLAUSES.split(prompt.lower())):
        words: Sequence[str] = [word.replace("'", "").replace("’", "") for word in _WORDS.findall(clause)[:left]]
        left -= len(words)
        if not words or words[0] == "mostly":
            continue
        words = _without_medium(words)
        if words and words[0] in _PREPOSITIONS and number == 0:
            words = words[1:]
        kept, articles = _without_articles(words)
        # An article within a noun phrase begins the next one: "a woman riding a horse".
        end = next(
            (at for at, word in enumerate(kept) if word in _ENDS or (at and at in articles)),
            len(kept),
        )
        form = next(
            (at for at, word in enumerate(kept[:end]) if is_form(word) and not _DESCRIPTIONS.issuperset(kept[:at])), end
        )
        yield SubjectPhrase(tuple(kept), min(form, end))
        if not all(word in style_words or word in MEDIA or word in _QUALITY for word in kept[:end]):
            return


@dataclass(frozen=True, slots=True)
class SubjectPhrase:
    """A clause from its noun phrase on.

    Attributes:
        words: its words in the singular, without articles.
        end: number of words of the noun phrase. It ends before a preposition, a conjunction or a form of a verb, but
            not before one that may describe the subject ("a big dancing bear").
    """

    words: tuple[str, ...]
    end: int

    def names(self, longest: int) -> Iterator[tuple[str, ...]]:
        """Yield the runs of words that may be the subject's name: each ends with the noun phrase or later.

        Args:
            longest: most words of a name.
        """
        for start in range(self.end):
            if start and (self.words[start - 1] in _MISLEADING or _DENIALS.intersection(self.words[:start])):
                continue
            for stop in range(min(len(self.words), start + longest), self.end - 1, -1):
                yield self.words[start:stop]


def _without_articles(words: Sequence[str]) -> tuple[list[str], frozenset[int]]:
    """Return the words in the singular without articles, and the places in the result that an article was before."""
    kept: list[str] = []
    places = set()
    for word in words:
        if word in ARTICLES:
            places.add(len(kept))
        else:
            kept.append(singular(word))
    return kept, frozenset(places)


def is_form(word: str) -> bool:
    """Return whether a word looks like a form of a verb or an adverb: "smiling", "dressed", "slowly"."""
    return _FORMS.fullmatch(word) is not None


def _without_medium(words: Sequence[str]) -> Sequence[str]:
    """Return the words after the medium, as "photo of" and "a drawing depicting"."""
    while (at := next((at for at, word in enumerate(words) if word in _ENDS), None)) is not None:
        before = words[at - 1] if at else ""
        if words[at] not in _DEPICTING or not MEDIA.intersection((before, singular(before))):
            break
        words = words[at + 1 :]
    return words
