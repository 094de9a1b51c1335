"""Texts in an XMP packet (ISO 16684-1): RDF in XML, inside nearly every picture format."""

from xml.parsers import expat

from codec.reading.encodings import MAX_SOURCE_LENGTH, decode_text

#: Properties that carry a prompt, by namespace and name, and the name that the text gets.
_PROPERTIES = {
    "http://ns.adobe.com/exif/1.0/ UserComment": "xmp:exif:UserComment",
    "http://purl.org/dc/elements/1.1/ description": "xmp:dc:description",
    "http://ns.adobe.com/tiff/1.0/ ImageDescription": "xmp:tiff:ImageDescription",
    "http://ns.adobe.com/tiff/1.0/ Software": "xmp:tiff:Software",
    "http://ns.adobe.com/xap/1.0/ CreatorTool": "xmp:xmp:CreatorTool",
}

_ITEM = "http://www.w3.org/1999/02/22-rdf-syntax-ns# li"

#: Most elements of a packet that is read.
MAX_ELEMENTS = 20_000

#: Deepest nesting of elements; RDF needs about eight.
MAX_DEPTH = 64


def read_xmp(packet: object) -> dict[str, str]:
    """Return the texts of an XMP packet that may be a prompt, by name; none for anything else.

    The first text of an rdf:Alt, rdf:Bag or rdf:Seq counts. A packet with a document type, which alone can declare
    entities, is skipped: XMP has none. No packet makes this raise.

    Args:
        packet: bytes of any encoding, or text.
    """
    if isinstance(packet, bytes):
        found = decode_text(packet) if len(packet) <= MAX_SOURCE_LENGTH else None
        packet = found[0] if found else None
    if not isinstance(packet, str) or len(packet) > MAX_SOURCE_LENGTH:
        return {}
    reader = _Reader()
    try:
        reader.parse(packet[packet.find("<") : packet.rfind(">") + 1])
    except (expat.ExpatError, ValueError):
        return {}
    return reader.found


class _Reader:
    """Collects the wanted texts while the packet is parsed; builds no tree."""

    def __init__(self) -> None:
        self.found: dict[str, str] = {}
        self._elements = 0
        self._depth = 0
        #: The property that is open, and its depth; the pieces of its text.
        self._open: tuple[str, int] | None = None
        self._pieces: list[str] = []

    def parse(self, text: str) -> None:
        """Parse a packet.

        Raises:
            ExpatError: it is not XML.
            ValueError: it has a document type, too many elements, or they are nested too deep.
        """
        # The text is given in UTF-8, whatever encoding the packet declares.
        parser = expat.ParserCreate("utf-8", " ")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.CharacterDataHandler = self._characters
        parser.EndElementHandler = self._end
        parser.StartDoctypeDeclHandler = self._refuse
        parser.Parse(text.encode("utf-8", "replace"), True)

    def _refuse(self, *_arguments: object) -> None:
        raise ValueError("the packet has a document type")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        self._depth += 1
        if self._elements > MAX_ELEMENTS or self._depth > MAX_DEPTH:
            raise ValueError("the packet is too large")
        for name, value in attributes.items():
            if name in _PROPERTIES and value.strip():
                self.found.setdefault(_PROPERTIES[name], value)
        if self._open is None and tag in _PROPERTIES:
            self._open, self._pieces = (_PROPERTIES[tag], self._depth), []

    def _characters(self, text: str) -> None:
        if self._open is not None:
            self._pieces.append(text)

    def _end(self, tag: str) -> None:
        if self._open is not None and (self._depth == self._open[1] or tag == _ITEM):
            if text := "".join(self._pieces).strip():
                self.found.setdefault(self._open[0], text)
            self._pieces = []
            if self._depth == self._open[1]:
                self._open = None
        self._depth -= 1
