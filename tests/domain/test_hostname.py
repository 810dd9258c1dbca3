# ruff: noqa: RUF001 - letters that look alike are what these tests are about
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.adapters.public_suffixes import public_suffix
from app.domain.errors import InvalidHostname
from app.domain.hostname import (
    Hostname,
    parse_hostname,
    parse_request_host,
    refuse_own_names,
    registrable_domain,
    spell_hostname,
    wildcard_for,
)

GOOD = {
    "a plain name stays": ("shop.tenant.com", "shop.tenant.com"),
    "a registrable domain itself is fine": ("tenant.com", "tenant.com"),
    "case is folded": ("Shop.TENANT.Com", "shop.tenant.com"),
    "outer blanks go": ("  shop.tenant.com ", "shop.tenant.com"),
    "a tab and a line's end go": ("\tshop.tenant.com\r\n", "shop.tenant.com"),
    "no-break and ideographic spaces go": ("\xa0shop.tenant.com\u3000", "shop.tenant.com"),
    "a byte order mark goes": ("\ufeffshop.tenant.com", "shop.tenant.com"),
    "outer spaces without width go": ("\u200bshop.tenant.com\u2060\u200d", "shop.tenant.com"),
    "outer blanks and then a dot go": ("*.shop.tenant.com. \n", "*.shop.tenant.com"),
    "one trailing dot goes": ("shop.tenant.com.", "shop.tenant.com"),
    "a trailing ideographic full stop goes": ("shop.tenant.com。", "shop.tenant.com"),
    "an ideographic full stop divides labels": ("bücher。de", "xn--bcher-kva.de"),
    "a fullwidth full stop divides labels": ("shop．tenant．com", "shop.tenant.com"),
    "a halfwidth ideographic full stop divides labels": ("shop｡tenant.com", "shop.tenant.com"),
    "fullwidth letters are folded": ("ｓｈｏｐ.tenant.com", "shop.tenant.com"),
    "U-labels become A-labels": ("bücher.de", "xn--bcher-kva.de"),
    "capital U-labels become A-labels": ("BÜCHER.de", "xn--bcher-kva.de"),
    "a decomposed umlaut is the composed one": ("bu\u0308cher.de", "xn--bcher-kva.de"),
    "IDNA 2008 keeps the sharp s": ("faß.de", "xn--fa-hia.de"),
    "IDNA 2008 keeps the final sigma apart": ("σας.gr", "xn--mxa8ab.gr"),
    "A-labels are folded in case": ("XN--BCHER-KVA.de", "xn--bcher-kva.de"),
    "a U-label and an A-label go together": (
        "XN--BCHER-KVA.bücher.de",
        "xn--bcher-kva.xn--bcher-kva.de",
    ),
    "an internationalised top-level domain is known": ("дом.рф", "xn--d1aqf.xn--p1ai"),
    "Japanese writes its scripts together": ("日本語カナabc.jp", "xn--abc-jj4b4fs673ao4bc84j.jp"),
    "Korean is written beside Latin": ("한국abc.kr", "xn--abc-lt8lk11n.kr"),
    "labels may differ in script": ("ñandú.рф", "xn--and-6ma2c.xn--p1ai"),
    "a wildcard keeps its prefix": ("*.shop.tenant.com", "*.shop.tenant.com"),
    "a wildcard of a U-label": ("*.bücher.de", "*.xn--bcher-kva.de"),
    "a wildcard before an ideographic full stop": ("*。tenant.com", "*.tenant.com"),
    "digits may begin a label": ("1.2.3.4.com", "1.2.3.4.com"),
    "a name below the provider's zone": ("acme.provider.net", "acme.provider.net"),
    "a private suffix is a name like others": ("github.io", "github.io"),
    "a name below an exception of the list": ("www.ck", "www.ck"),
    "a label of 63 characters": ("a" * 63 + ".com", "a" * 63 + ".com"),
    "253 characters": ("a." * 125 + "com", "a." * 125 + "com"),
}

BAD = {
    "nothing": ("", "hostname_empty"),
    "what has no width alone": ("\ufeff\u200b", "hostname_empty"),
    "a blank within": ("shop .com", "hostname_invalid_character"),
    "a no-break space within": ("shop\xa0.com", "hostname_not_idna"),
    "a blank before the final dot": ("shop.com .", "hostname_invalid_character"),
    "blanks alone": ("   ", "hostname_empty"),
    "a newline alone": ("\n", "hostname_empty"),
    "two dots": ("shop..com", "label_empty"),
    "two dots alone": ("..", "label_empty"),
    "a leading dot": (".shop.com", "label_empty"),
    "two trailing dots": ("shop.com..", "label_empty"),
    "two fullwidth dots": ("shop．．com", "label_empty"),
    "a label of 64 characters": ("a" * 64 + ".com", "label_too_long"),
    "254 characters": ("aa." + "a." * 124 + "com", "hostname_too_long"),
    "253 characters and a wildcard": ("*." + "a." * 125 + "com", "hostname_too_long"),
    "a URL": ("http://x.com/", "hostname_is_url"),
    "a URL without a path": ("https://x.com", "hostname_is_url"),
    "a URL without a scheme": ("//x.com", "hostname_is_url"),
    "a path": ("x.com/shop", "hostname_is_url"),
    "a port": ("x.com:443", "hostname_has_port"),
    "an empty port": ("x.com:", "hostname_has_port"),
    "a user": ("user@x.com", "hostname_invalid_character"),
    "a query": ("x.com?y=1", "hostname_invalid_character"),
    "a backslash": ("x.com\\y", "hostname_invalid_character"),
    "a percent sign": ("x%2ecom.com", "hostname_invalid_character"),
    "an IPv4 address": ("192.0.2.1", "hostname_is_ip"),
    "an IPv4 address with a trailing dot": ("192.0.2.1.", "hostname_is_ip"),
    "an IPv4 address out of range": ("256.256.256.256", "hostname_is_ip"),
    "a hex IPv4 address": ("0x7f000001", "hostname_is_ip"),
    "a hex IPv4 address in capitals": ("0X7F000001", "hostname_is_ip"),
    "a dotted hex IPv4 address": ("0x7f.0x0.0x0.0x1", "hostname_is_ip"),
    "an octal IPv4 address": ("0177.0.0.01", "hostname_is_ip"),
    "an integer IPv4 address": ("2130706433", "hostname_is_ip"),
    "a short IPv4 address": ("127.1", "hostname_is_ip"),
    "an IPv4 address in fullwidth digits": ("１２７.0.0.1", "hostname_is_ip"),
    "a wildcard of an IPv4 address": ("*.192.0.2.1", "hostname_is_ip"),
    "an IPv6 address": ("2001:db8::1", "hostname_is_ip"),
    "the IPv6 loopback": ("::1", "hostname_is_ip"),
    "an IPv6 address with its IPv4 tail": ("::ffff:127.0.0.1", "hostname_is_ip"),
    "a bracketed IPv6 address": ("[2001:db8::1]", "hostname_is_ip"),
    "a bracketed IPv6 address with a port": ("[::1]:443", "hostname_is_ip"),
    "an IPv6 address with a zone": ("fe80::1%eth0", "hostname_is_ip"),
    "an asterisk alone": ("*", "wildcard_misplaced"),
    "a wildcard of nothing": ("*.", "wildcard_misplaced"),
    "two wildcards": ("*.*.x.com", "wildcard_misplaced"),
    "a wildcard in the middle": ("a.*.com", "wildcard_misplaced"),
    "a wildcard at the end": ("x.*", "wildcard_misplaced"),
    "an asterisk within a label": ("*x.com", "wildcard_misplaced"),
    "two asterisks": ("**.x.com", "wildcard_misplaced"),
    "a top-level domain": ("com", "hostname_is_public_suffix"),
    "a top-level domain with a dot": ("com.", "hostname_is_public_suffix"),
    "a suffix of two labels": ("co.uk", "hostname_is_public_suffix"),
    "a wildcard of a suffix": ("*.co.uk", "hostname_is_public_suffix"),
    "a suffix by a wildcard of the list": ("shop.ck", "hostname_is_public_suffix"),
    "localhost": ("localhost", "hostname_reserved"),
    "a wildcard of localhost": ("*.localhost", "hostname_reserved"),
    "below localhost": ("shop.localhost", "hostname_reserved"),
    "example.com": ("example.com", "hostname_reserved"),
    "below example.com": ("shop.example.com", "hostname_reserved"),
    "example.net in capitals": ("EXAMPLE.NET", "hostname_reserved"),
    "a wildcard of example.org": ("*.example.org", "hostname_reserved"),
    "top-level test": ("shop.test", "hostname_reserved"),
    "top-level example": ("shop.example", "hostname_reserved"),
    "top-level invalid": ("shop.invalid", "hostname_reserved"),
    "top-level local": ("printer.local", "hostname_reserved"),
    "top-level internal": ("api.internal", "hostname_reserved"),
    "top-level onion": ("shop.onion", "hostname_reserved"),
    "a reverse name": ("1.0.0.127.in-addr.arpa", "hostname_reserved"),
    "an emoji": ("😀.com", "hostname_not_idna"),
    "an emoji as an A-label": ("xn--e28h.com", "hostname_not_idna"),
    "an emoji beside letters": ("i❤.ws", "hostname_not_idna"),
    "Cyrillic within Latin": ("p\u0430ypal.com", "hostname_mixes_scripts"),
    "Cyrillic within Latin as an A-label": ("xn--pypal-4ve.com", "hostname_mixes_scripts"),
    "the same in capitals": ("XN--PYPAL-4VE.COM", "hostname_mixes_scripts"),
    "Greek within Latin": ("g\u03bfogle.com", "hostname_mixes_scripts"),
    "Latin within Cyrillic in a lower label": ("домik.tenant.com", "hostname_mixes_scripts"),
    "mixed scripts below a wildcard": ("*.p\u0430ypal.com", "hostname_mixes_scripts"),
    "an underscore first": ("_dmarc.shop.com", "hostname_invalid_character"),
    "an underscore within": ("my_shop.com", "hostname_invalid_character"),
    "an underscore beside a U-label": ("my_shop.bücher.de", "hostname_not_idna"),
    "NUL": ("shop\x00.com", "hostname_invalid_character"),
    "a trailing NUL": ("shop.com\x00", "hostname_invalid_character"),
    "a newline within": ("shop\n.com", "hostname_invalid_character"),
    "delete": ("shop\x7f.com", "hostname_invalid_character"),
    "a C1 control": ("shop\x85.com", "hostname_not_idna"),
    "a right-to-left mark": ("shop\u200f.com", "hostname_not_idna"),
    "a right-to-left override": ("\u202eshop.com", "hostname_not_idna"),
    "a zero-width joiner": ("sh\u200dop.com", "hostname_not_idna"),
    "a zero-width non-joiner": ("sh\u200cop.com", "hostname_not_idna"),
    "a lone surrogate": ("\udcff.com", "hostname_not_idna"),
    "letters of both directions": ("shopא.com", "hostname_not_idna"),
    "a combining mark first": ("\u0308shop.com", "hostname_not_idna"),
    "a slash in disguise": ("½.com", "hostname_not_idna"),
    "an asterisk in disguise": ("\uff0a.shop.com", "hostname_not_idna"),
    "an A-label of nothing": ("xn--.com", "hostname_invalid_character"),
    "an A-label that decodes to nothing sound": ("xn--zzzzzzzzzzz.com", "hostname_not_idna"),
    "an A-label of plain letters": ("xn--shop-.com", "hostname_invalid_character"),
    "an unknown top-level domain": ("shop.notatld", "top_level_domain_unknown"),
    "a single label": ("intranet", "top_level_domain_unknown"),
    "a leading hyphen": ("-shop.com", "hostname_invalid_character"),
    "a trailing hyphen": ("shop-.com", "hostname_invalid_character"),
    "a leading hyphen beside a U-label": ("-shop.bücher.de", "hostname_not_idna"),
    "a long U-label": ("é" * 64 + ".com", "hostname_not_idna"),
}

# Letters that have broken parsers before, so that chance meets them often.
AWKWARD = st.text(
    alphabet=st.sampled_from(
        "aZ09-_.*:/[]% \t\n\x00üßа日א١۰।。．\u200d\u200f\u0308\ufeff\U0001f600"
    ),
    max_size=40,
)
NAMES = st.lists(
    st.text(alphabet="abcXYZ019-üñд日", min_size=1, max_size=12), min_size=1, max_size=4
).map(lambda labels: ".".join([*labels, "com"]))
A_LABELS = st.text(alphabet="abcdefgXYZ0189-", max_size=20).map(lambda t: f"xn--{t}.com")


CODES = {code for _, code in BAD.values()}


def parsed_or_code(text: str) -> Hostname | str:
    try:
        return parse_hostname(text, public_suffix)
    except InvalidHostname as refused:
        return refused.code


def code_of(text: str) -> str:
    with pytest.raises(InvalidHostname) as refused:
        parse_hostname(text, public_suffix)
    return refused.value.code


@pytest.mark.parametrize(("text", "name"), GOOD.values(), ids=GOOD.keys())
def test_a_good_name_is_given_in_lower_case_a_labels(text: str, name: str) -> None:
    assert parse_hostname(text, public_suffix) == Hostname(name)


@pytest.mark.parametrize(("text", "code"), BAD.values(), ids=BAD.keys())
def test_a_bad_name_is_refused_with_its_code(text: str, code: str) -> None:
    assert code_of(text) == code


@pytest.mark.parametrize("text", ["a" * 2**20, "é" * 2**20, "a." * 2**19, "." * 2**20, "*" * 2**20])
def test_a_megabyte_is_refused_fast(text: str) -> None:
    began = time.perf_counter()
    assert code_of(text) == "hostname_too_long"
    assert time.perf_counter() - began < 0.1


def test_a_refusal_names_the_field_and_the_way_out() -> None:
    with pytest.raises(InvalidHostname) as refused:
        parse_hostname("http://x.com/", public_suffix)
    assert refused.value.field == "/hostname"
    assert "without a scheme" in refused.value.detail


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("shop_1.com", "Character 5, '_', "),
        ("  shop_1.com", "Character 5, '_', "),
        ("*.my shop.com", "Character 5, U+0020 (SPACE), "),
        ("shop\x00.com", "Character 5, U+0000, "),
        ("-shop.com", "Character 1, '-', "),
        ("a.shop-.com", "Character 7, '-', "),
        ("*.-a.com", "Character 3, '-', "),
        ("sh\u200dop.com", "Character 3, U+200D (ZERO WIDTH JOINER), "),
        ("b\xfccher\xa0.de", "Character 7, U+00A0 (NO-BREAK SPACE), "),
        ("my_shop.b\xfccher.de", "Character 3, '_', "),
        ("*.\u2764.ws", "Character 3, '\u2764', "),
        ("\udcff.com", "Character 1, U+DCFF, "),
    ],
)
def test_a_refused_character_is_named_with_its_place(text: str, said: str) -> None:
    with pytest.raises(InvalidHostname) as refused:
        parse_hostname(text, public_suffix)
    assert refused.value.detail.startswith(said)


def test_a_wildcard_knows_the_name_its_object_has() -> None:
    wildcard = Hostname("*.shop.tenant.com")
    assert (wildcard.is_wildcard, wildcard.base) == (True, "shop.tenant.com")


def test_a_plain_name_is_its_own_base() -> None:
    plain = Hostname("shop.tenant.com")
    assert (plain.is_wildcard, plain.base) == (False, "shop.tenant.com")


@pytest.mark.parametrize(
    "name", ["provider.net", "*.provider.net", "customers.provider.net", "fallback.provider.net"]
)
def test_the_providers_own_names_are_refused(name: str) -> None:
    own = ("customers.provider.net", "fallback.provider.net")
    with pytest.raises(InvalidHostname) as refused:
        refuse_own_names(Hostname(name), zone_name="provider.net", own=own)
    assert refused.value.code == "hostname_is_ours"


@pytest.mark.parametrize(
    "name", ["acme.provider.net", "notprovider.net", "a.customers.provider.net"]
)
def test_names_below_the_providers_zone_are_not_refused(name: str) -> None:
    own = ("customers.provider.net",)
    refuse_own_names(Hostname(name), zone_name="provider.net", own=own)


@settings(deadline=None, max_examples=400)
@given(st.one_of(st.text(max_size=300), AWKWARD, NAMES, A_LABELS))
@example("xn--\uff11.com")
@example("\u2488com")
@example("\u0130.com")
@example("XN--BCHER-KVA。DE")
def test_any_text_parses_to_a_name_that_parses_to_itself_or_is_refused(text: str) -> None:
    outcome = parsed_or_code(text)
    if isinstance(outcome, str):
        assert outcome in CODES
        return
    assert outcome.name.isascii()
    assert outcome.name == outcome.name.lower()
    assert len(outcome.name) <= 253
    assert parsed_or_code(outcome.name) == outcome


@settings(deadline=None, max_examples=200)
@given(NAMES)
def test_case_and_a_trailing_dot_make_no_other_name(text: str) -> None:
    outcome = parsed_or_code(text)
    assert parsed_or_code(text.upper() + ".") == outcome


@pytest.mark.parametrize(
    ("name", "registrable"),
    [
        ("shop.tenant.com", "tenant.com"),
        ("tenant.com", "tenant.com"),
        ("a.b.tenant.co.uk", "tenant.co.uk"),
        ("co.uk", None),
        ("shop.notatld", None),
    ],
)
def test_the_registrable_domain_is_the_label_below_the_suffix(
    name: str, registrable: str | None
) -> None:
    assert registrable_domain(name, public_suffix) == registrable


def test_a_letter_that_belongs_to_every_script_mixes_none() -> None:
    assert parse_hostname("hawai\u02bbi.com", public_suffix).name.startswith("xn--")


def test_a_dot_alone_is_an_empty_hostname() -> None:
    with pytest.raises(InvalidHostname) as refused:
        parse_hostname(".", public_suffix)
    assert refused.value.code == "hostname_empty"


ASKED = {
    "as it is": ("shop.tenant.com", "shop.tenant.com"),
    "in capitals, with a dot and a port": ("Shop.Tenant.Com.:443", "shop.tenant.com"),
    "with an empty port": ("shop.tenant.com:", "shop.tenant.com"),
    "with blanks around it": (" shop.tenant.com:8443\n", "shop.tenant.com"),
    "a U-label with a port": ("b\u00fccher.de:80", "xn--bcher-kva.de"),
    "a name that nobody may add": ("localhost:8000", "localhost"),
    "a reserved name": ("Shop.Example.com.:443", "shop.example.com"),
    "a public suffix": ("co.uk", "co.uk"),
    "a private name": ("api.cluster.internal", "api.cluster.internal"),
    "an A-label": ("XN--BCHER-KVA.de", "xn--bcher-kva.de"),
}


@pytest.mark.parametrize(("text", "name"), ASKED.values(), ids=ASKED)
def test_the_host_of_a_request_is_read_in_any_spelling(text: str, name: str) -> None:
    assert parse_request_host(text) == Hostname(name)


@given(st.text(alphabet="ab0x1-.:*_ A\n", max_size=70) | NAMES)
@example("0x7f.com")
@example("a.0x7f")
@example("xn--a.com")
@example("a" * 63 + ".com")
@example("a" * 64 + ".com")
@example("a." * 125 + "com")
@example("a." * 126 + "com")
@example("shop.com\n")
def test_a_host_without_a_port_is_read_like_any_hostname(text: str) -> None:
    if ":" in text or text.lstrip().startswith("*"):
        return
    outcomes = []
    for read in (spell_hostname, lambda typed: parse_request_host(typed).name):
        try:
            outcomes.append(read(text))
        except InvalidHostname as refused:
            outcomes.append(refused.code)
    assert outcomes[0] == outcomes[1]


NOT_ASKED = {
    "nothing": ("", "hostname_empty"),
    "a port alone": (":443", "hostname_empty"),
    "two final dots": ("shop.tenant.com..", "label_empty"),
    "a port that is none": ("shop.tenant.com:https", "hostname_has_port"),
    "a long port": ("shop.tenant.com:123456", "hostname_has_port"),
    "an IPv4 address": ("192.0.2.1", "hostname_is_ip"),
    "an IPv4 address with a port": ("192.0.2.1:80", "hostname_is_ip"),
    "an IPv4 address as a number": ("0x7f000001", "hostname_is_ip"),
    "an IPv6 address": ("2001:db8::1", "hostname_is_ip"),
    "the shortest IPv6 address": ("::", "hostname_is_ip"),
    "an IPv6 address in brackets": ("[::1]", "hostname_is_ip"),
    "an IPv6 address with a port": ("[2001:db8::1]:443", "hostname_is_ip"),
    "a wildcard": ("*.tenant.com", "wildcard_misplaced"),
    "a URL": ("https://shop.tenant.com/", "hostname_is_url"),
    "a path": ("shop.tenant.com/a", "hostname_is_url"),
    "an underscore": ("_a.tenant.com", "hostname_invalid_character"),
    "NUL": ("a\x00.com", "hostname_invalid_character"),
    "a broken A-label": ("xn--a.com", "hostname_not_idna"),
    "a label too long": ("a" * 64 + ".com", "label_too_long"),
    "a name too long": ("a." * 126 + "com", "hostname_too_long"),
}


@pytest.mark.parametrize(("text", "code"), NOT_ASKED.values(), ids=NOT_ASKED)
def test_what_is_no_host_of_a_request_is_refused(text: str, code: str) -> None:
    with pytest.raises(InvalidHostname) as refused:
        parse_request_host(text)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("name", "wildcard"),
    [
        ("shop.tenant.com", "*.tenant.com"),
        ("a.shop.tenant.com", "*.shop.tenant.com"),
        ("tenant.com", "*.com"),
    ],
)
def test_a_wildcard_stands_for_exactly_one_label(name: str, wildcard: str) -> None:
    assert wildcard_for(name) == wildcard
