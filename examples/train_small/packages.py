"""What `gather_audio` gathers: Debian packages and repositories, and what to keep of each.

`SOURCES.md` lists the licences and credits.
"""

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Package:
    """One Debian package and which of its files to keep."""

    name: str
    folder: str
    keep: tuple[str, ...]  # glob patterns below the root of the unpacked package
    kind: Literal["accompaniment", "voice"] = "accompaniment"
    minimum_seconds: float = 5.0
    drop: dict[str, str] = field(default_factory=dict)  # pattern of file names: why


@dataclass(frozen=True)
class Repository:
    """A public git repository, and which of its files to keep."""

    address: str
    commit: str  # the one that was used
    folder: str
    keep: tuple[str, ...]  # glob patterns below the root
    drop: dict[str, str] = field(default_factory=dict)  # pattern of paths: why
    licences: str = ""  # a file of it that says each file's licence; those it doesn't name stay


TRACKBALLS_BY_LEACH = ("c64revival", "crazy", "eurovision")  # Ethymonics Free Music License
GAMES_BY_CHO = (
    "torus-trooper",
    "gunroar",
    "mu-cade",
    "parsec47",
    "rrootage",
    "tumiki-fighters",
    "titanion",
    "a7xpg",
)

PACKAGES = (
    Package(
        "wesnoth-1.16-music",
        "wesnoth",
        ("**/music/*.ogg",),
        drop={"nunc_dimittis.ogg": "a canticle by name"},
    ),
    Package("warzone2100-music", "warzone2100", ("**/*.opus",)),
    Package(
        "nexuiz-music",
        "nexuiz",
        ("**/cdtracks/*.ogg",),
        drop={"digital-pursuit.ogg": "has a voice"},
    ),
    Package(
        "supertuxkart-data",
        "supertuxkart",
        (
            "**/data/music/*.ogg",
            "**/battleisland/Gran_Paradiso*.ogg",
            "**/ancient_colosseum_labyrinth/Battle_Theme_1.ogg",
            "**/cave/beneath_the_rabbit_hole.ogg",
        ),
    ),
    Package("singularity-music", "singularity", ("**/music/**/*.ogg",)),
    Package("hyperrogue-music", "hyperrogue", ("**/music/*.ogg",)),
    Package(
        "flare-game",
        "flare",
        ("**/music/*.ogg",),
        drop={"wind_ambient.ogg": "wind, no music"},
    ),
    Package(
        "sonic-pi-samples",
        "sonic-pi",
        tuple(f"**/samples/{name}_*.flac" for name in ("ambi", "bass", "drum", "guit", "loop")),
        minimum_seconds=1.5,
        drop={"ambi_choir.flac": "has a voice", "bass_voxy*.flac": "sounds like a voice"},
    ),
    Package(
        "fillets-ng-data-cs", "fillets-cs", ("**/sound/**/cs/*.ogg",), "voice", minimum_seconds=0.0
    ),
    Package(
        "fillets-ng-data-nl", "fillets-nl", ("**/sound/**/nl/*.ogg",), "voice", minimum_seconds=0.0
    ),
    Package("marsshooter-data", "marsshooter", ("**/music/*.ogg",)),
    Package(
        "wordwarvi-sound",
        "wordwarvi",
        tuple(f"**/sounds/{name}*.ogg" for name in ("dtox3", "highscoremusic", "lucky")),
        drop={"destiny_facedown.ogg": "a voice over music"},
    ),
    Package("0ad-data", "0ad", ("**/audio/music/*.ogg",)),
    Package(
        "supertux-data",
        "supertux",
        ("**/music/**/*.ogg",),
        drop={"fortress_old.ogg": "a choir, says its tag"},
    ),
    Package(
        "widelands-data",
        "widelands",
        ("**/music/*.ogg",),
        drop={"ingame_28.ogg": "a speech detector found a voice"},
    ),
    Package("hedgewars-data", "hedgewars", ("**/Data/Music/*.ogg",)),
    Package(
        "naev-data",
        "naev",
        ("**/snd/music/*.ogg",),
        drop={
            "cosmostation.ogg": "a speech detector found a voice",
            "collective1.ogg": "a speech detector found a voice",
        },
    ),
    Package("colobot-common-sounds", "colobot", ("**/music/*.ogg",)),
    Package("freedroidrpg-data", "freedroidrpg", ("**/sound/music/*.ogg",)),
    Package("unknown-horizons", "unknown-horizons", ("**/audio/music/**/*.ogg",)),
    Package(
        "trackballs-data",
        "trackballs",
        ("**/music/*.ogg",),
        drop={f"{name}.ogg": "its licence isn't free" for name in TRACKBALLS_BY_LEACH},
    ),
    Package("openclonk-data", "openclonk", ("**/Music.ocg/*.ogg",)),
    Package("redeclipse-data", "redeclipse", ("**/sounds/music/*.ogg",)),
    Package("xmoto-data", "xmoto", ("**/Musics/*.ogg",)),
    Package("lincity-ng-data", "lincity-ng", ("**/music/**/*.ogg",)),
    Package("extremetuxracer-data", "extremetuxracer", ("**/music/*.ogg",)),
    Package(
        "ufoai-music",
        "ufoai",
        ("**/music/*.ogg",),
        drop={"van_geoscape.ogg": "a speech detector found a voice"},
    ),
    *(
        Package(f"{name}-data", name, ("**/musics/*.ogg", "**/sounds/*.ogg"), minimum_seconds=30.0)
        for name in GAMES_BY_CHO
    ),
    Package(
        "fillets-ng-data",
        "fillets-music",
        ("**/music/*.ogg",),
        drop=dict.fromkeys(("rybky05.ogg", "rybky13.ogg"), "perhaps a choir"),
    ),
    Package("frozen-bubble-data", "frozen-bubble", ("**/snd/*zik*.ogg",)),
    Package("planetblupi-music-ogg", "planetblupi", ("**/music/*.ogg",)),
    Package("asc-music", "asc", ("**/music/*.mp3",)),
    Package("pushover-data", "pushover", ("**/themes/*.ogg",)),
    Package("warmux-data", "warmux", ("**/music/**/*.ogg",)),
    Package("zaz-data", "zaz", ("**/mus*.ogg",)),
    Package("megaglest-data", "megaglest", ("**/music/*.ogg", "**/tilesets/**/*.ogg")),
    Package("lugaru-data", "lugaru", ("**/Music*.ogg", "**/DesertAmbient.ogg", "**/Wind.ogg")),
    Package("caveexpress-data", "caveexpress", ("**/music-*.ogg",)),
    Package("scorched3d-data", "scorched3d", ("**/music/*.ogg",)),
    Package("glob2-data", "glob2", ("**/zik/*.ogg",)),
    Package("gigalomania-data", "gigalomania", ("**/music/*.ogg",)),
    Package("pax-britannica-data", "pax-britannica", ("**/audio/music.ogg",)),
    Package(
        "berusky2-data",
        "berusky2",
        ("**/*.ogg",),
        drop={"comix*.ogg": "stories, perhaps with a teller"},
    ),
)

POCKETTORAH_PORTIONS = (  # not Kedoshim nor Bereshit: the validation songs are made of them
    "AchreiMot", "Bamidbar", "Bechukotai", "Behaalotcha", "Behar", "Emor", "KiTisa", "Metzora",
    "Pekudei", "Shlach", "Shmini", "Tetzaveh", "Tzav", "Vayakhel", "Vayetzei", "Vayikra",
    "Vayishlach",
)  # fmt: skip

REPOSITORIES = (
    Repository(
        "https://github.com/rneiss/PocketTorah",
        "8a23287221dd535966ee9914de9a03e71769a469",
        "voice/pockettorah",
        tuple(f"data/audio/{portion}-*.mp3" for portion in POCKETTORAH_PORTIONS),
    ),
    Repository(
        "https://github.com/oxygen-dioxide/ALYS-jpn-plus",
        "9ec7d48198c045999ccf3328db69967f240b58a8",
        "voice/alys",
        ("C4/*.wav",),
    ),
    Repository(
        "https://github.com/wcgbg/solfege-samples",
        "5929af86329852f8e1d06e6f0643470a06c08c63",
        "voice/solfege",
        ("samples/chengu/notes/*.wav", "samples/jennifer/notes/*.wav"),
    ),
    Repository(
        "https://github.com/rhasspy/dataset-voice-kathleen",
        "c51cb971036a127359b43c621f26ca5081eab13e",
        "voice/kathleen",
        ("data/*.wav",),
    ),
    Repository(
        "https://github.com/rhasspy/dataset-voice-kerstin",
        "f73127135cf80d6ef52aef6af58c49774f4fd625",
        "voice/kerstin",
        ("verified/*.flac",),
    ),
    Repository(
        "https://github.com/gcompris/GCompris-voices",
        "c0e8a743b7b4633af06b8dc15bc2b397e456dd6f",
        "voice/gcompris",
        ("**/*.ogg",),
        drop={"sv/*/*": "noise throughout", "zh_CN/*/*": "noise throughout"},
        licences="LICENSE",
    ),
    Repository(
        "https://github.com/vocobox/human-voice-dataset",
        "77248fc69fd93c40a69d49c0cade4144c5d7a9f4",
        "voice/vocobox",
        ("data/voices/martin/*/exports/mono/*.wav",),
    ),
    Repository(
        "https://github.com/sfzinstruments/karoryfer.weresax",
        "595d1fc1044edf6260d44b8215b723a3fbdd1802",
        "samples/weresax",
        ("Samples/alto/*.wav",),
    ),
    Repository(
        "https://github.com/sfzinstruments/karoryfer.growlybass",
        "4f483268fc66b5a6d5781d421c0d11b8d08d3fc6",
        "samples/growlybass",
        ("sustain/*.wav",),
    ),
    Repository(
        "https://github.com/sfzinstruments/karoryfer.meatbass",
        "ac9e859564bda286ab5ec672d00ff1aa2fef2895",
        "samples/meatbass",
        ("Samples/pizz/*.wav",),
    ),
    Repository(
        "https://github.com/ichbinsoftware/everythingisremixed",
        "6a6fbe3a634871fba7efe298dee048f394aa0f18",
        "samples/everything-is-remixed",
        ("src/**/*.m4a",),
    ),
    Repository(  # to check with, and never to train on
        "https://github.com/mdn/webaudio-examples",
        "b52c6e33c5479e60ecbde9df27a1bfc7f82e7451",
        "samples/mdn",
        ("multi-track/*.mp3",),
    ),
)
