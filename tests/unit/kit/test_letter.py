"""The e-mail to one recipient: it installs, it is theirs alone, and nobody's text becomes header or markup."""

from __future__ import annotations

import io
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8, default
from html.parser import HTMLParser
from typing import Any

import pytest
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from airflow_provider_esimgo.kit.entries import KitEntry, KitError
from airflow_provider_esimgo.kit.letter import DEFAULT_SUBJECT, check_address, compose
from airflow_provider_esimgo.kit.qr import draw

CODE = "K2-1ABCDE-9XYZ01"
SENDER = "eSIM desk <esim@acme.example>"
OPTIONS = {"sender": SENDER, "message_id": "<batch-1.ada@acme.example>"}
HOSTILE = '<script>alert(1)</script>"><img src=x onerror=1>&amp;${code}{code}%s\N{RIGHT-TO-LEFT OVERRIDE}'


def entry(at: int = 1, **fields: Any) -> KitEntry:
    known = {
        "recipient_ref": "ACME-1",
        "iccid": f"{8944500000000000000 + at}",
        "bundle": "esim_1GB_7D_GB_V2",
        "smdp_address": "rsp.example.com",
        "matching_id": f"{CODE}-{at}",
        "plan": "1 GB for 7 days, United Kingdom",
        "name": "Ada Whitfield",
        "email": "ada@acme.example",
    }
    return KitEntry(**{**known, **fields})


@dataclass
class Received:
    """A letter as the recipient's mail client takes it apart."""

    message: EmailMessage

    @property
    def text(self) -> str:
        return self._body("plain")

    @property
    def html(self) -> str:
        return self._body("html")

    @property
    def pictures(self) -> dict[str, EmailMessage]:
        """By Content-ID, without its brackets."""
        related = self.message.get_payload(1)
        return {part["Content-ID"][1:-1]: part for part in related.iter_attachments()}

    def _body(self, kind: str) -> str:
        return self.message.get_body((kind,)).get_content().replace("\r\n", "\n")


def sent(*entries: KitEntry, **options: Any) -> Received:
    composed = compose(entries, [draw(each.activation_code) for each in entries], **{**OPTIONS, **options})
    return Received(message_from_bytes(composed.as_bytes(), policy=default))


def refusal(*entries: KitEntry, **options: Any) -> str:
    drawings = options.pop("drawings", [draw("LPA:1$rsp.example.com$OTHER")] * len(entries))
    with pytest.raises(KitError) as refused:
        compose(entries, drawings, **{**OPTIONS, **options})
    told = str(refused.value)
    assert not any(secret in told for secret in (CODE, "Ada"))
    return told


class Seen(HTMLParser):
    """What a page shows, links to and loads."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words, self.links, self.sources, self.tags = "", [], [], set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            assert not name.startswith("on")
            if name == "href":
                self.links.append(value)
            if name == "src":
                self.sources.append(value)

    def handle_data(self, data: str) -> None:
        self.words += data


class TestWhatItSays:
    def test_the_picture_in_it_installs(self):
        (picture,) = sent(entry()).pictures.values()
        (code,) = zxingcpp.read_barcodes(Image.open(io.BytesIO(picture.get_content())))
        assert code.text == entry().activation_code
        assert picture.get_content_type() == "image/png"
        assert picture.get_content_disposition() == "inline"
        assert picture.get_filename() == "ACME-1-8944500000000000001.png"

    def test_the_picture_scans_at_the_size_it_is_shown(self):
        for matching_id in ("A-1", CODE, "X" * 100):
            received = sent(entry(matching_id=matching_id))
            (picture,) = received.pictures.values()
            shown = int(received.html.split('<img src="cid:')[1].split('width="')[1].split('"')[0])
            pixels = Image.open(io.BytesIO(picture.get_content())).convert("L").resize((shown, shown))
            (code,) = zxingcpp.read_barcodes(pixels)
            assert code.text == f"LPA:1$rsp.example.com${matching_id}"
            assert shown <= 256

    def test_it_loads_its_own_pictures_and_nothing_else(self):
        received = sent(entry(1), entry(2))
        seen = Seen(received.html)
        assert seen.sources == [f"cid:{cid}" for cid in received.pictures]
        assert len(seen.sources) == 2
        assert not seen.tags & {"link", "script", "iframe", "object", "form"}
        assert "url(" not in received.html

    def test_both_bodies_tell_everything_needed(self):
        received = sent(entry(), note="Before Monday, please.")
        seen = Seen(received.html)
        one = entry()
        assert seen.links == [one.apple_link, one.android_link]
        for told in (
            "Hello Ada Whitfield,",
            "1 GB for 7 days, United Kingdom",
            one.iccid,
            one.smdp_address,
            one.matching_id,
            one.activation_code,
            "On an iPhone",
            "On an Android phone",
            "A code installs once, on one phone, and is only for you",
            "Before Monday, please.",
        ):
            assert told in received.text
            assert told in seen.words
        assert all(link in received.text for link in seen.links)

    def test_a_recipient_without_a_name_is_greeted_all_the_same(self):
        for nobody in (None, "", " \n"):
            received = sent(entry(name=nobody))
            assert received.text.startswith("Hello,\n")
            assert "Hello," in Seen(received.html).words

    def test_a_plan_without_words_is_told_by_its_bundle(self):
        received = sent(entry(plan=""))
        assert "esim_1GB_7D_GB_V2" in received.text
        assert "esim_1GB_7D_GB_V2" in Seen(received.html).words

    def test_the_lines_of_the_note_stay_lines(self):
        received = sent(entry(), note="  First.\r\n\r\nSecond & last.\n")
        assert "\n\nFirst.\n\nSecond & last.\n\n" in received.text
        assert "First.<br>\n<br>\nSecond &amp; last." in received.html

    def test_two_esims_have_their_own_codes_links_and_pictures(self):
        received = sent(entry(1), entry(2, plan="5 GB for 30 days, France"))
        codes = [
            zxingcpp.read_barcodes(Image.open(io.BytesIO(picture.get_content())))[0].text
            for picture in received.pictures.values()
        ]
        assert codes == [entry(1).activation_code, entry(2).activation_code]
        assert len(Seen(received.html).links) == 4
        assert "eSIM 2 of 2" in Seen(received.html).words
        assert "2. 5 GB for 30 days, France" in received.text
        assert received.message["Subject"] == "Your eSIMs are ready"

    def test_two_bundles_on_one_esim_are_one_code_with_two_plans(self):
        received = sent(entry(1), entry(1, plan="5 GB for 30 days, France", topped_up=True))
        assert len(received.pictures) == 1
        assert "1 GB for 7 days, United Kingdom + 5 GB for 30 days, France" in received.text
        assert "on your phone already" not in received.text  # one of them is new
        assert received.message["Subject"] == DEFAULT_SUBJECT

    def test_a_top_up_says_that_nothing_may_be_to_install(self):
        received = sent(entry(1), entry(2, topped_up=True))
        for words in (received.text, Seen(received.html).words):
            assert (
                words.count("may be on your phone already. If it is there, nothing need be installed.") == 1
            )
        assert "There is a new plan on your eSIM." in sent(entry(topped_up=True)).text

    def test_a_link_of_the_vendor_that_is_no_https_link_is_left_out(self):
        received = sent(entry(apple_url="javascript:alert(1)", android_url="https://v.example/a b"))
        assert Seen(received.html).links == []
        assert "javascript" not in received.text + received.html


class TestHeaders:
    def test_are_those_of_a_machines_letter_to_one_person(self):
        message = sent(entry(), reply_to="travel@acme.example").message
        assert message["From"] == SENDER
        assert message["To"] == "ada@acme.example"
        assert message["Subject"] == "Your eSIM is ready"
        assert message["Message-ID"] == "<batch-1.ada@acme.example>"
        assert message["Reply-To"] == "travel@acme.example"
        assert message["Auto-Submitted"] == "auto-generated"
        assert message["X-Auto-Response-Suppress"] == "All"
        assert message["Date"].datetime.tzinfo is not None
        assert message.get_content_type() == "multipart/alternative"
        assert [part.get_content_type() for part in message.iter_parts()] == [
            "text/plain",
            "multipart/related",
        ]
        assert "Reply-To" not in sent(entry()).message

    def test_hold_no_code(self):
        composed = compose([entry()], [draw(entry().activation_code)], **OPTIONS)
        for part in composed.walk():
            assert CODE not in "".join(f"{name}: {value}" for name, value in part.items())

    def test_a_subject_of_ones_own_is_the_heading_as_well(self):
        received = sent(entry(1), entry(2), subject="Données à Londres")
        assert received.message["Subject"] == "Données à Londres"
        assert "Données à Londres" in Seen(received.html).words

    @pytest.mark.parametrize(
        ("subject", "line"),
        [
            ("A\r\nBcc: eve@evil.example", "A Bcc: eve@evil.example"),
            ("A\n\n<b>", "A <b>"),
            ("A\x00\N{LINE SEPARATOR}B", "A\ufffd B"),
            (" \n", DEFAULT_SUBJECT),
            ("", DEFAULT_SUBJECT),
        ],
    )
    def test_a_subject_is_one_line_and_no_second_header(self, subject, line):
        message = sent(entry(), subject=subject).message
        assert message["Subject"] == line
        assert "Bcc" not in message

    def test_a_subject_with_a_code_is_refused(self):
        assert "take it out" in refusal(entry(), subject=f"Your code {CODE}-1")

    def test_a_long_message_id_stays_whole(self):
        long = f"<{'a' * 64}.{'b' * 64}@acme.example>"
        composed = compose([entry()], [draw(entry().activation_code)], **{**OPTIONS, "message_id": long})
        assert f"Message-ID: {long}\r\n".encode() in composed.as_bytes()

    @pytest.mark.parametrize(
        "options",
        [
            {"sender": "nobody"},
            {"sender": "a@b.example, c@d.example"},
            {"sender": "A\nBcc: eve@evil.example <a@b.example>"},
            {"sender": ""},
            {"reply_to": "travel"},
            {"reply_to": "a@b.example\r\nBcc: eve@evil.example"},
            {"message_id": "batch-1"},
            {"message_id": "<a@b>\n"},
            {"message_id": "<a b@c>"},
        ],
    )
    def test_what_the_dag_gives_wrongly_is_told_by_its_name(self, options):
        assert refusal(entry(), **options).startswith(next(iter(options)))


class TestOneRecipientOnly:
    def test_no_entry_is_no_letter(self):
        assert "without an eSIM" in refusal()

    @pytest.mark.parametrize(
        "other", [{"recipient_ref": "ACME-2"}, {"email": "eve@acme.example"}, {"email": None}]
    )
    def test_codes_of_two_recipients_are_never_in_one_letter(self, other):
        told = refusal(entry(1), entry(2, **other))
        assert "8944500000000000001 and 8944500000000000002" in told

    def test_an_entry_without_a_code_is_refused_with_its_reason(self):
        withheld = entry(2, smdp_address="", matching_id="", withheld="installed already")
        assert "8944500000000000002 has no code to send: installed already" in refusal(entry(1), withheld)

    @pytest.mark.parametrize("address", [None, "", "ada", "ada@acme.example, eve@evil.example"])
    def test_a_recipient_whom_mail_cannot_reach_is_told_by_their_reference(self, address):
        assert "'ACME-1'" in refusal(entry(email=address))

    def test_each_entry_has_its_picture(self):
        assert "has 1 QR codes" in refusal(entry(1), entry(2), drawings=[draw("LPA:1$rsp.example.com$OTHER")])

    def test_one_esim_with_two_codes_is_refused(self):
        assert "two different codes" in refusal(entry(1), entry(1, matching_id=f"{CODE}-9"))


class TestForeignText:
    def test_a_persons_text_is_no_markup(self):
        received = sent(entry(name=HOSTILE, plan=HOSTILE), note=HOSTILE, subject=HOSTILE)
        seen = Seen(received.html)
        assert "script" not in seen.tags
        assert len(seen.sources) == 1
        harmless = HOSTILE.rstrip("\N{RIGHT-TO-LEFT OVERRIDE}")
        assert f"Hello {harmless}," in seen.words
        assert f"Hello {harmless}," in received.text

    def test_a_name_with_line_breaks_forges_no_paragraph(self):
        received = sent(entry(name="Ada\r\n\r\nYour account is locked: https://evil.example\n"))
        assert received.text.startswith("Hello Ada Your account is locked: https://evil.example,\n\nHere")

    @pytest.mark.parametrize(
        "name", ["Ümit Şahin", "山田 太郎", "محمد علي", "Zoë 🙂", "half \ud800 a character"]
    )
    def test_names_of_all_scripts_arrive(self, name):
        received = sent(entry(name=name))
        arrived = name.replace("\ud800", "\ufffd")
        assert f"Hello {arrived}," in received.text
        assert f"Hello {arrived}," in Seen(received.html).words

    def test_a_name_is_not_endless(self):
        assert len(sent(entry(name="A" * 10_000)).text) < 4000

    @settings(max_examples=50, deadline=None)
    @given(st.text(), st.text(), st.text())
    def test_any_text_makes_a_letter_that_every_server_takes(self, name, subject, note):
        one = entry(name=name, plan="long " * 500)
        composed = compose([one], [DRAWING], **OPTIONS, subject=subject, note=note)
        data = composed.as_bytes(policy=SMTP)
        assert data.isascii()
        assert max(map(len, data.split(b"\r\n"))) <= 998
        assert b"\n" not in data.replace(b"\r\n", b"")
        received = Received(message_from_bytes(data, policy=default))
        assert sorted(received.message.keys()) == sorted(composed.keys())
        assert received.text == composed.get_body(("plain",)).get_content().replace("\r\n", "\n")
        assert one.activation_code in received.text
        assert one.activation_code in Seen(received.html).words
        assert [picture.get_content() for picture in received.pictures.values()] == [DRAWING.png]


DRAWING = draw(entry().activation_code)


class TestAddresses:
    @pytest.mark.parametrize(
        "address",
        [
            "ada@acme.example",
            "a.b+c_d'e@sub.acme-x.co.uk",
            "1@2.example",
            "üñ@acme.example",
            "用户@acme.example",
        ],
    )
    def test_a_good_one_stays_as_it_is(self, address):
        assert check_address(address) == address

    def test_spaces_around_it_are_forgiven(self):
        assert check_address("  ada@acme.example ") == "ada@acme.example"

    def test_a_domain_of_another_script_becomes_what_every_server_takes(self):
        assert check_address("ada@Bücher.example") == "ada@xn--bcher-kva.example"
        assert check_address("ada@例え.jp") == "ada@xn--r8jz45g.jp"

    def test_a_domain_is_never_changed_into_somebody_elses(self):
        assert check_address("ada@faß.example") == "ada@faß.example"  # Python would make fass of it

    @pytest.mark.parametrize(
        "address",
        [
            None,
            "",
            " ",
            "ada",
            "@acme.example",
            "ada@",
            "ada@acme",
            "ada@@acme.example",
            "ada@b@acme.example",
            "ada whitfield@acme.example",
            "ada@acme .example",
            "ada@acme.example\n",
            "ada@acme.example\r\nBcc: eve@evil.example",
            "ada@acme.example, eve@evil.example",
            "ada@acme.example;eve@evil.example",
            "Ada <ada@acme.example>",
            "<ada@acme.example>",
            '"Ada"@acme.example',
            "ada(x)@acme.example",
            "ada@[127.0.0.1]",
            "ada@acme..example",
            ".ada@acme.example",
            "ada.@acme.example",
            "a..da@acme.example",
            "ada@-acme.example",
            "ada@acme-.example",
            "ada@acme_x.example",
            "ada\N{FULLWIDTH COMMERCIAL AT}acme.example",
            "ada@acme\N{IDEOGRAPHIC FULL STOP}example",
            "ada\N{ZERO WIDTH SPACE}@acme.example",
            "ada\N{NO-BREAK SPACE}x@acme.example",
            "ada\N{RIGHT-TO-LEFT OVERRIDE}@acme.example",
            "ada\ud800@acme.example",
            "ada\x00@acme.example",
            f"{'a' * 65}@acme.example",
            f"ada@{'a' * 64}.example",
            f"ada@{'a.' * 130}example",
            "mailto:ada@acme.example",
            "=?utf-8?q?eve?=@acme.example",
        ],
    )
    def test_an_unusable_one_is_none(self, address):
        assert check_address(address) is None

    @given(st.text() | st.emails() | st.from_regex(r"[^@]{0,9}@[^@]{0,9}\.[a-z]{2}", fullmatch=True))
    def test_whatever_passes_is_one_recipient_and_passes_again(self, text):
        address = check_address(text)
        if address is not None:
            assert check_address(address) == address
            message = EmailMessage(policy=SMTPUTF8)
            message["To"] = address
            (recipient,) = message["To"].addresses
            assert recipient.addr_spec == address

    @pytest.mark.parametrize("address", ["üñ@acme.example", "ada@faß.example"])
    def test_one_that_only_utf8_servers_take_is_in_the_letter_as_it_is(self, address):
        one = entry(email=address)
        data = compose([one], [draw(one.activation_code)], **OPTIONS).as_bytes()
        assert f"\r\nTo: {address}\r\n".encode() in data
        assert message_from_bytes(data, policy=default)["To"] == address
