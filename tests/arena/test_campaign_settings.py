"""What a campaign may be set to, and how a mistake is named."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from rostra.arena.access.voter import Voter
from rostra.arena.campaigns.campaign import Campaign
from rostra.arena.campaigns.colours import GROUNDS, LEAST_CONTRAST, Accent, contrast, ink
from rostra.arena.campaigns.logo import MOST_BYTES, read_logo
from rostra.arena.campaigns.settings import CampaignSettings
from rostra.arena.errors import ArenaError
from rostra.arena.ratings.plots.assets import TOKENS_CSS
from rostra.arena.settings import ArenaSettings
from rostra.arena.votes.store import VoteStore
from rostra.mesh.cli.config import RostraConfig
from rostra.mesh.errors import RostraError

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


@pytest.fixture
def arena(votes_url: str, store: VoteStore, tmp_path: Path) -> ArenaSettings:
    return ArenaSettings(
        votes_url=votes_url,
        ratings_dir=tmp_path / "ratings",
        contestants=tuple({"name": name, "model": name} for name in "abc"),
        title="The arena",
    )


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"name": "Spring!"}, "name"),
        ({"name": "a" * 65}, "name"),
        ({"modes": []}, "modes"),
        ({"modes": ["battle", "battle"]}, "'battle' is there twice"),
        ({"texts": {"en": {"battle": {"titel": "x"}}}}, r"en\.battle\.titel: there is no such"),
        ({"texts": {"fr": {}}}, r"texts\.fr"),
        ({"texts": {"en": {"status": {"same": "{name}"}}}}, "takes the placeholders none"),
        ({"texts": {"en": {"voted": {"standing": "{a.b}"}}}}, "takes the placeholders {a}, {b}"),
        ({"texts": {"de": {"status": {"same": "{"}}}}, "'{'"),
        ({"opens": "2026-12-01T09:00:00"}, "timezone"),
        ({"opens": "2026-12-01T09:00Z", "closes": "2026-12-01T10:00+01:00"}, "before it opens"),
        ({"at_target": "go_on"}, "there is no target"),
        ({"target": 0}, "greater than 0"),
        ({"refresh": {"campaigns": ["x"]}}, "rates its own votes"),
        ({"colour": "red"}, "Extra inputs"),
        ({"accent": {"light": "red", "dark": "#ffffff"}}, "pattern"),
        ({"accent": {"light": "#0072b2", "dark": "#0072b2"}}, "2.90 to 1"),
        ({"accent": {"light": "#999999", "dark": "#ffffff"}}, "light: #999999"),
    ],
)
def test_mistakes_are_named(values: dict, line: str) -> None:
    with pytest.raises(ValidationError, match=line):
        CampaignSettings.model_validate({"name": "spring", **values})


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"contestants": ["a", "z"]}, "contestants: 'z' is not a"),
        ({"contestants": ["a"]}, "contestants: a campaign takes two at least"),
        ({"contestants": ["a", "b"], "matchmaking": {"paused": ["c"]}}, "paused: 'c'"),
        ({"contestants": ["a", "b"], "matchmaking": {"paused": ["b"]}}, "fewer than two"),
    ],
)
def test_what_does_not_fit_the_arena_is_named(
    arena: ArenaSettings, values: dict, line: str
) -> None:
    with pytest.raises(ValidationError, match=rf"\[\[arena.campaign\]\] 'spring': .*{line}"):
        ArenaSettings.model_validate(
            {**arena.model_dump(), "campaigns": [{"name": "spring", **values}]}
        )


@pytest.mark.parametrize(
    ("tables", "line"),
    [
        ('[[arena.campaign]]\nname = "spring"\ntarget = 0', "'spring': target: "),
        ('[[arena.campaign]]\ntitle = "x"', "1: name: Field required"),
        ('[[arena.campaign]]\nname = "x"\nlogos = "x"', "'x': logos: there is no such setting"),
        ('[[arena.campaign]]\nname = "x"\ncontestants = ["q", "r"]', "'x': contestants: 'q'"),
        ('[arena.campaign]\nname = "x"', "a table for each campaign"),
    ],
)
def test_the_configuration_file_names_table_and_key_in_one_line(
    tmp_path: Path, tables: str, line: str
) -> None:
    path = tmp_path / "rostra.toml"
    rest = "".join(f'\n[[contestant]]\nname = "{each}"\nmodel = "m"\n' for each in "ab")
    path.write_text(tables + rest)
    with pytest.raises(RostraError) as caught:
        RostraConfig.read(path).arena_settings(votes_url="sqlite:///x", ratings_dir=tmp_path)
    assert line in str(caught.value)
    assert "[[arena.campaign]]" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_accents_are_checked_against_what_the_pages_stand_on() -> None:
    for light, dark in zip(*GROUNDS.values(), strict=True):
        assert f": light-dark({light}, {dark});" in TOKENS_CSS
    # WCAG's own examples of the ends, and grey as its tools give it.
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)
    accent = Accent(light="#7a3b8f", dark="#d9a0ea")
    assert "--accent-text: light-dark(#7a3b8f, #d9a0ea)" in accent.css
    for colour in ("#7a3b8f", "#d9a0ea"):
        assert contrast(ink(colour), colour) >= LEAST_CONTRAST


def test_a_campaign_has_settings_of_its_own_within_the_arena(arena: ArenaSettings) -> None:
    spring = CampaignSettings(name="spring", contestants=("c", "a")).within(arena)
    assert [each.name for each in spring.contestants] == ["a", "c"]
    assert (spring.title, spring.refresh.campaigns) == ("spring", ("spring",))
    assert spring.ratings_dir == arena.ratings_dir / "campaigns" / "spring"
    default = CampaignSettings(name="default", consent="So?").within(arena)
    assert default == arena


def test_a_campaign_is_open_between_its_dates_and_until_its_target(arena: ArenaSettings) -> None:
    now = datetime.now(UTC)
    dates = {"opens": now, "closes": now + timedelta(hours=1)}
    campaign = Campaign.open(CampaignSettings(name="x", target=2, **dates), arena)
    hour = timedelta(hours=1)
    stages = [campaign.stage(now + times * hour) for times in (-0.1, 0, 0.9, 1)]
    assert stages == ["before", "open", "open", "closed"]
    campaign.progress.votes = 2
    assert campaign.stage(now) == "closed"
    going_on = Campaign.open(CampaignSettings(name="x", target=2, at_target="go_on"), arena)
    going_on.progress.votes = 3
    assert going_on.stage(now) == "open"


def test_a_campaign_is_for_its_audience(arena: ArenaSettings) -> None:
    campaign = Campaign.open(CampaignSettings(name="x", audience=("staff",)), arena)
    assert not campaign.admits(Voter("cookie 1", "", frozenset({"guests"})))
    assert campaign.admits(Voter("login 1", "", frozenset({"guests", "staff"})))
    assert campaign.admits(Voter("login 2", "", admin=True))
    assert Campaign.open(CampaignSettings(name="y"), arena).admits(Voter("cookie 1", ""))


def test_texts_and_consent_of_a_campaign(arena: ArenaSettings) -> None:
    settings = CampaignSettings(
        name="x",
        texts={"en": {"battle": {"title": "Who is kinder?"}}},
        consent="**Yes**, <b onclick=x>this</b> [way](javascript:alert(1))",
    )
    campaign = Campaign.open(settings, arena)
    assert campaign.texts("en")("battle.title") == "Who is kinder?"
    assert campaign.texts("en")("nav.chat") == "Chat"
    assert "Who is kinder?" not in campaign.texts("de").entries.values()
    assert settings.consent_hashes == {hashlib.sha256(settings.consent.encode()).digest()}
    shown = campaign.consent_html("de")
    assert "<strong>Yes</strong>" in shown
    assert not any(bad in shown for bad in ("<b ", "href", "onclick=x>"))


def test_consent_is_asked_in_the_language_of_the_page_and_given_in_one_for_all() -> None:
    consent = {"de": "Ja.", "en": "Yes."}
    settings = CampaignSettings(name="x", consent=consent)
    assert [settings.consent_in(each) for each in ("de", "en", "ko")] == ["Ja.", "Yes.", "Yes."]
    german = CampaignSettings(name="x", consent=consent, language="de")
    assert german.consent_in("ko") == "Ja."
    assert CampaignSettings(name="x", consent={"ko": "네."}).consent_in("en") == "네."
    hashes = {hashlib.sha256(text.encode()).digest() for text in consent.values()}
    assert settings.consent_hashes == german.consent_hashes == hashes
    assert not CampaignSettings(name="x").consent_hashes
    for wrong in ({"en": ""}, {"fr": "Oui."}):
        with pytest.raises(ValidationError):
            CampaignSettings(name="x", consent=wrong)


def test_a_logo_is_a_picture_and_small(tmp_path: Path, arena: ArenaSettings) -> None:
    path = tmp_path / "logo"
    path.write_bytes(PNG)
    assert read_logo(path).media_type == "image/png"
    path.write_text('<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>')
    assert read_logo(path).media_type == "image/svg+xml"
    for content, line in (
        (b"<html><script>", "none of PNG"),
        (PNG + bytes(MOST_BYTES), "more than 512 KiB"),
        (None, "cannot read"),
    ):
        path.unlink() if content is None else path.write_bytes(content)
        with pytest.raises(ArenaError, match=f"campaign 'x': logo: .*{line}"):
            Campaign.open(CampaignSettings(name="x", logo=path), arena)
