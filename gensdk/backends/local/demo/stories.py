"""A grammar of small English children's stories, and of the requests that ask for one.

This is the whole teaching material of the built-in storyteller: `write_document` makes one training
document and `write_story` makes one story. Pure Python: no torch, no files, no network. Whatever is
written depends only on the `random.Random` handed in.

A story is told by a `_Scene`, which remembers every choice ("the hat", "behind the old barn") so
that it stays the same to the end. Templates name what they need in braces:

* `{h}` the hero, by name or noun; `{c}` always by noun; `{s}` whoever speaks;
  `{a_hero}` as first introduced
* `{he} {him} {his} {himself}`, `{i} {me} {my}`, `{was} {has} {am}` and `{z}` (a verb's s) agree
  with the hero or heroes
* `{helper}` is "an old owl" when first met and "the owl" after; `{friend}` is only "owl"
* any key of the slot tables; `a_` before a key adds an article, a capital letter capitalises
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

Role = Literal["text", "system", "user", "assistant"]
World = Literal["land", "sea", "space", "still"]


@dataclass(frozen=True, slots=True)
class Part:
    """One stretch of a document.

    Attributes:
        role: Who says it; `"text"` is plain text outside any chat.
        text: The words. Neighbouring parts of one role are one message, cut at that point.
        learn: Whether the model is to learn to write it, or only to read it.
    """

    role: Role
    text: str
    learn: bool = True


@dataclass(frozen=True, slots=True)
class Document:
    """One training document: plain text, or a chat of system, user and assistant parts."""

    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Story:
    """A finished story and the facts a request for it may mention.

    Attributes:
        text: The story.
        heroes: The nouns of its one or two heroes, such as `("dragon", "princess")`.
        subjects: Ways to name the hero in a request, the fullest first: "a brave cat", "a cat".
        clauses: What may follow the subject in a request: "who lost his hat", "in a green forest".
        themes: Abstract subjects that the story fits, such as "friendship".
    """

    text: str
    heroes: tuple[str, ...]
    subjects: tuple[str, ...]
    clauses: tuple[str, ...]
    themes: tuple[str, ...]


def _words(words: str) -> tuple[str, ...]:
    return tuple(words.split())


# --- heroes ---------------------------------------------------------------------------------------

_LAND_ANIMALS = _words(
    "cat dog fox rabbit bear mouse owl frog duck pig cow horse sheep goat hen hedgehog squirrel "
    "badger wolf deer lion tiger elephant monkey giraffe zebra kangaroo panda hippo camel donkey "
    "pony puppy kitten lamb chick duckling swan goose crow robin sparrow raven eagle parrot "
    "peacock turkey bee ant beetle butterfly spider snail ladybug cricket worm lizard snake toad "
    "mole bat beaver raccoon skunk moose llama sloth hamster piglet bunny cub penguin koala otter "
    "leopard hare pigeon rhino crocodile gorilla dinosaur flamingo ostrich hyena dove caterpillar "
    "chipmunk mule seagull rat weasel buffalo porcupine chameleon cheetah calf foal firefly stork "
    "woodpecker"
)
_SEA_ANIMALS = _words(
    "whale dolphin fish crab octopus seal turtle starfish seahorse shrimp shark lobster jellyfish "
    "squid"
)
_PEOPLE = {
    "he": "boy king prince knight grandfather farmer sailor fisherman miller shepherd woodcutter "
    "uncle wizard pirate father brother man cowboy mayor grandpa monk",
    "she": "girl queen princess witch grandmother dancer nurse seamstress sister milkmaid aunt "
    "mother woman lady duchess grandma ballerina",
    "": "baker doctor teacher painter gardener tailor musician cook postman clown giant child "
    "inventor carpenter traveler singer shoemaker captain student poet driver firefighter explorer "
    "magician ninja detective soldier thief baby hero superhero villager hunter prisoner guard "
    "scientist juggler "
    "beekeeper cobbler writer clockmaker acrobat stranger judge pilot puppet doll",
}
_MAGIC = _words(
    "dragon fairy unicorn elf troll gnome ghost monster phoenix griffin goblin genie mermaid "
    "vampire ogre werewolf angel pixie yeti sprite"
)
_MACHINES = _words(
    "robot train car truck tractor bus airplane helicopter spaceship computer drone ship tram "
    "bicycle rocket submarine van digger vacuum engine"
)
_SPACE_HEROES = _words("alien astronaut robot comet spaceman")

_ODD_HEROES = _words(
    "spoon fork pillow sock shoe hat button pencil crayon broom bucket ladder chair table kettle "
    "pan plate cup bottle jar needle thimble hammer nail brush comb mirror blanket ball balloon "
    "drum trumpet flute guitar potato carrot tomato banana apple pear lemon onion cookie muffin "
    "pancake sandwich noodle strawberry mushroom pebble stone leaf acorn seed feather snowflake "
    "raindrop puddle shadow echo rainbow letter pen map key coin stamp suitcase backpack wheel "
    "anchor sail fridge sponge soap towel mop tent wagon sled skate glove mitten scarf belt "
    "zipper ribbon rose tulip daisy sunflower bean pea cabbage pickle waffle donut cupcake "
    "biscuit dumpling planet island volcano wave breeze storm number word song dream story "
    "question secret"
)
HELD_OUT_HEROES = ("ferret", "walrus", "lynx", "jackal", "plumber", "barber", "toaster", "cactus")
"""Heroes that no training document mentions: the model can only copy them, not remember them."""

_SYLLABLES_A = _words(
    "bo da fi ga jo ki lu ma ni po ra su ti wo zu flo gri plu sna tri blo cra dri"
)
_SYLLABLES_B = _words(
    "bble ddle ggo mbo mpet ndle nto ppin rbit rgle rip sset tch zzle xo lump rf nk"
)
_ONSETS = _words("b c d f g h j k l m n p r s t v w z ch sh th br cr dr fl gr pl sk sl st tr qu")
_CODAS: tuple[str, ...] = ("", "", *"nrstlxm", "ck", "ng", "rd", "st", "lly", "by", "per", "ter")
_NAMES = _words(
    "Pip Lulu Momo Tilly Bruno Nina Oscar Rosie Max Daisy Finn Ruby Leo Poppy Sam Bella Toby Mia "
    "Otto Luna Charlie Willow Hugo Ivy Jasper Maya Theo Zoe Felix Hazel Milo Clara Benny Olive "
    "Gus Stella Ned Pearl Rufus Molly Archie Coco Teddy Lily Barnaby Juno Sunny Dot Wilbur Penny "
    "Biscuit Amber Rocky Sophie Ziggy Fern Tom Anna Jack Emma Ben Lucy Noah Ella Omar Aisha Kenji "
    "Priya Lars Ingrid Diego Carmen"
)

_STILL_HEROES = (
    ("lighthouse", "stood on a rocky cliff by the sea", "shine a bright light over the waves"),
    ("tree", "stood on top of a green hill", "spread its branches and give cool shade"),
    ("teapot", "sat on a shelf in a sunny kitchen", "pour the warmest tea in town"),
    ("clock", "stood in the middle of the market square", "ring its bell loud and clear"),
    ("boat", "floated in a quiet harbor", "carry people safely across the water"),
    ("star", "hung high in the dark night sky", "twinkle with a soft silver light"),
    ("moon", "hung above the sleeping hills", "fill the night with silver light"),
    ("cloud", "drifted over the dry fields", "drop cool rain on the ground"),
    ("bridge", "stretched over a wild river", "carry everyone to the other side"),
    ("lamp", "stood at the corner of a long street", "glow warm and yellow in the dark"),
    ("piano", "stood in a dusty old hall", "play the sweetest music"),
    ("windmill", "stood in a field of golden wheat", "turn its arms and grind the grain"),
    ("house", "stood at the end of a crooked lane", "keep everyone warm and dry"),
    ("castle", "stood on a steep gray mountain", "open its gates and shelter the people"),
    ("snowman", "stood in a white garden", "make every child laugh"),
    ("scarecrow", "stood in a field of corn", "watch over the fields"),
    ("lantern", "hung beside a wooden door", "light up the whole path"),
    ("book", "lay on the top shelf of a library", "tell a wonderful tale"),
    ("bell", "hung in a tall stone tower", "ring out over the rooftops"),
    ("flower", "grew beside a dusty road", "fill the air with a lovely smell"),
    ("umbrella", "stood in a corner by the door", "keep the rain away"),
    ("kite", "hung on a nail in the shed", "dance high up in the wind"),
    ("toy", "sat on the shelf of a little shop", "make someone smile"),
    ("river", "ran through a wide valley", "bring fresh water to the fields"),
    ("mountain", "rose behind a small village", "keep the cold wind away"),
    ("candle", "stood on a small window sill", "glow with a tiny golden flame"),
    ("violin", "lay in a box under the stairs", "sing a song without words"),
    ("pumpkin", "grew at the end of the garden", "glow with a big orange smile"),
)

_TRAITS: Mapping[str, tuple[str, ...]] = {
    "brave": ("{He} {was} not afraid of storms or of the dark.", "{H} always went first."),
    "friendly": ("{He} said hello to everyone {he} met.", "{H} waved at every stranger."),
    "kind": ("{He} shared everything {he} had.", "{He} never passed by anyone in trouble."),
    "curious": ("{He} asked questions all day long.", "{He} wanted to know how everything worked."),
    "shy": ("{He} hid whenever visitors came.", "{He} spoke so softly that few could hear."),
    "lonely": ("{He} had no one to talk to, and the days felt long.", "{H} longed for a friend."),
    "clever": ("{He} could solve any riddle.", "{H} had a new idea every morning."),
    "sleepy": ("{He} yawned all day and loved {his} soft bed.", "{H} could nap anywhere."),
    "grumpy": ("{He} frowned at the sun and grumbled at the rain.", "{H} hardly ever smiled."),
    "hungry": ("{He} thought about food from morning to night.", "{His} tummy rumbled all day."),
    "lazy": ("{He} liked to rest while others worked.", "{H} never hurried anywhere."),
    "proud": ("{He} thought nobody was as grand as {he} {was}.", "{H} loved to show off."),
    "silly": ("{He} wore socks on {his} ears and sang.", "{H} made everyone laugh."),
    "gentle": ("{He} spoke softly and never hurt a fly.", "{H} took care of the smallest flowers."),
    "forgetful": ("{He} forgot what day it was.", "{H} often lost things."),
    "lucky": ("{He} always found the best of everything.", "Good things just happened to {h}."),
    "cheerful": ("{He} sang from morning till evening.", "{H} whistled even in the rain."),
    "honest": ("{He} always told the truth.", "Everyone trusted what {h} said."),
    "patient": ("{He} could wait a whole day without a sigh.", "{H} never rushed."),
    "wise": ("{He} listened first and spoke later.", "Many came to {h} for advice."),
    "timid": ("{He} jumped at every sound.", "Even a falling leaf could scare {h}."),
    "greedy": ("{He} always wanted more.", "{H} kept the best things for {himself}."),
    "playful": ("{He} turned everything into a game.", "{H} loved to chase falling leaves."),
    "adventurous": ("{He} dreamed of faraway places.", "{H} climbed every hill {he} saw."),
    "clumsy": ("{He} tripped over {his} own feet.", "Wherever {h} went, something fell over."),
    "polite": ("{He} always said please and thank you.", "{H} greeted everyone with a bow."),
    "noisy": ("{He} could be heard from far away.", "{H} sang, shouted and stamped all day."),
    "quiet": ("{He} liked to sit still and listen.", "{H} hardly made a sound."),
    "sad": ("{He} had not laughed for a long time.", "{H} sighed when nobody was looking."),
    "happy": ("{He} smiled at the sun every morning.", "{H} found something good in every day."),
    "stubborn": ("{He} never changed {his} mind.", "{H} did everything {his} own way."),
    "dreamy": ("{He} watched the clouds for hours.", "{H} was often lost in thought."),
    "tiny": ("{He} could hide behind an apple.", "Nobody noticed {h} very often."),
    "little": ("{He} {was} small, but {his} heart was big.", "Everyone else was taller than {h}."),
    "small": ("{He} {was} no bigger than a boot.", "{H} often felt too small to help."),
    "big": ("{He} {was} so big that the ground shook.", "{H} bumped {his} head on everything."),
    "old": ("{He} knew many songs from long ago.", "{H} moved slowly but missed nothing."),
    "young": ("{He} had so much to learn.", "Every day was new to {h}."),
    "magical": ("{He} could make sparks dance in the air.", "Strange things happened around {h}."),
    "rusty": ("{He} creaked with every step.", "{H} squeaked when {he} laughed."),
    "fluffy": ("{He} looked just like a cloud.", "Everyone wanted to hug {h}."),
    "strong": ("{He} could lift a whole log.", "{H} carried heavy things for everyone."),
    "fast": ("{He} could race the wind.", "{H} {was} always the first to arrive."),
    "slow": ("{He} took {his} time with everything.", "{H} {was} always the last to arrive."),
}
_PLAIN_ADJECTIVES = _words(
    "red blue green yellow purple orange pink golden silver white black brown gray spotted "
    "striped beautiful pretty funny lost busy tired cold rich poor naughty wild fat thin famous "
    "strange mighty royal merry plump sweet bold hopeful careful helpful nervous fearless blind "
    "purple hairy jolly"
)

# --- worlds ---------------------------------------------------------------------------------------

_HOMES: Mapping[World, tuple[str, ...]] = {
    "land": (
        "in a green forest", "in a cozy little house", "on a small farm", "near a quiet pond",
        "under a big oak tree", "at the edge of a meadow", "in a village by the sea",
        "on top of a hill", "beside a winding river", "in a busy town",
        "in a valley full of flowers", "near the old mill", "in a garden behind a tall wall",
        "at the foot of a snowy mountain", "deep in the woods", "in a warm and sunny land",
        "at the end of a dusty road", "in a tiny hut",
    ),
    "sea": (
        "in the deep blue sea", "in a cave full of coral", "near a sunken ship", "in a warm lagoon",
        "among the swaying seaweed", "at the bottom of the ocean", "by a little island",
    ),
    "space": (
        "on a small red planet", "on the quiet side of the moon", "in a silver space station",
        "on a planet with two suns", "among the stars", "on a dusty little moon",
    ),
    "still": ("in a quiet land",),
}  # fmt: skip
_PERSON_HOMES = (
    "in a tall castle", "in a little cottage", "in a small village", "in a busy town", "on a farm",
    "in a palace with a hundred windows", "in a house by the river", "above a small shop",
    "in a faraway kingdom", "near the edge of the forest", "on a quiet street", "on a green island",
)  # fmt: skip
_MACHINE_HOMES = (
    "in a busy workshop", "in an old garage", "in a city of glass towers",
    "behind a small factory", "in the house of an inventor", "in a dusty shed", "on a small farm",
    "at the edge of a big city", "in a quiet town", "near a little station",
)  # fmt: skip
_SPOTS: Mapping[World, tuple[str, ...]] = {
    "land": (
        "behind the old barn", "under the bridge", "in the tall grass", "beside the pond",
        "under a bush", "near the garden wall", "behind a big rock", "in the hollow log",
        "on the hill", "by the well", "at the market", "in the apple orchard", "under the stairs",
        "by the river", "near the mill",
    ),
    "sea": (
        "behind the coral", "inside the sunken ship", "under a flat stone", "in the seaweed",
        "in the dark cave", "near the old anchor", "beside a giant shell", "on the sandy floor",
    ),
    "space": (
        "behind a crater", "under a silver rock", "beside the rocket", "inside a dark cave",
        "near the landing light", "on the far side of the moon", "behind a heap of stardust",
    ),
    "still": ("behind the hill", "under the window", "beside the gate", "near the well"),
}  # fmt: skip
_HELPERS: Mapping[World, tuple[str, ...]] = {
    "land": (
        "owl", "rabbit", "mouse", "turtle", "bear", "fox", "squirrel", "duck", "goat", "horse",
        "frog", "crow", "deer", "hedgehog", "donkey", "sparrow", "dog", "cat", "beaver",
        "butterfly", "badger", "farmer", "gardener", "girl", "boy", "grandmother", "baker",
        "fairy", "shepherd", "snail", "traveler", "goose", "bee", "mole", "robin", "fisherman",
        "elf", "giant", "carpenter", "monkey",
    ),
    "sea": _words("whale dolphin crab octopus seal turtle starfish seahorse mermaid"),
    "space": ("alien", "astronaut", "robot", "comet", "moon mouse", "space whale", "little star"),
    "still": (
        "sparrow", "girl", "boy", "mouse", "sailor", "cat", "child", "traveler", "fisherman",
        "crow", "butterfly", "shepherd", "dog", "grandmother", "rabbit", "robin", "baker",
    ),
}  # fmt: skip
_HELPER_ADJECTIVES = (
    "old", "wise", "kind", "friendly", "gentle", "cheerful", "little", "young", "clever", "tired",
    "quiet", "busy", "gray", "tall", "strange", "merry", "small", "brown",
)  # fmt: skip

# --- slots: each row of a table fills its keys together -------------------------------------------

_Rows = tuple[tuple[str, ...], ...]


def _one_key(words: str) -> _Rows:
    return tuple((word.strip(),) for word in words.split(","))


_TABLES: tuple[tuple[tuple[str, ...], _Rows], ...] = (
    (
        ("object",),
        _one_key(
            "hat, scarf, kite, drum, lantern, key, ball, blanket, book, bell, cup, whistle, "
            "ribbon, button, ring, spoon, umbrella, basket, flute, teddy bear, red coat, golden "
            "coin, map, mirror, shoe, music box, paintbrush, toy boat, pearl, feather, necklace, "
            "bag, crown, watch, magic wand"
        ),
    ),
    (
        ("food",),
        _one_key(
            "apple, pie, loaf of bread, cake, pear, carrot, bowl of soup, cookie, pumpkin, pot of "
            "honey, melon, sandwich, bag of nuts, cherry tart, piece of cheese, basket of "
            "berries, pancake, plum"
        ),
    ),
    (
        ("gift",),
        _one_key(
            "blue feather, shiny pebble, wooden whistle, little bell, warm scarf, jar of jam, "
            "paper star, silver button, painted stone, bunch of flowers, red ribbon, lucky coin, "
            "tiny lantern"
        ),
    ),
    (
        ("fear", "facing", "faced"),
        (
            ("the dark", "sat in the dark", "the dark was only the day asleep"),
            ("thunder", "listened to the storm", "thunder was only a big noise"),
            ("deep water", "stepped into the water", "the water could carry you"),
            ("high places", "climbed one step higher", "the world was lovely from above"),
            ("strangers", "said hello to someone new", "a stranger could become a friend"),
            ("loud noises", "listened to the noise", "a noise could not bite"),
            ("shadows", "looked closely at the shadow", "a shadow was just a shape"),
            ("being alone", "spent a short while alone", "being alone could be peaceful"),
        ),
    ),
    (
        ("skill", "failed", "managed"),
        (
            ("dance", "tripped and fell down", "danced until the stars came out"),
            ("sing", "made only a terrible squeak", "sang so well that the birds went quiet"),
            ("paint", "spilled the colors everywhere", "painted the whole sky on a wall"),
            ("whistle", "blew nothing but air", "whistled a bright little tune"),
            ("juggle", "dropped every ball", "juggled five balls at once"),
            ("bake", "burned the whole cake", "baked the best cake in town"),
            ("skate", "slid and bumped into a tree", "skated in perfect circles"),
            ("read", "mixed up all the letters", "read a whole page aloud"),
            ("tell jokes", "forgot the funny part", "made the whole crowd laugh"),
            ("play the drum", "missed every beat", "played a wonderful rhythm"),
            ("build a tower", "watched it fall down", "built a tower up to the clouds"),
            ("tie a knot", "got tangled in the rope", "tied the strongest knot of all"),
        ),
    ),
    (
        ("trap",),
        _one_key(
            "under a heavy stone, in a deep hole, in an old net, between two rocks, in a tangle "
            "of weeds, in the mud"
        ),
    ),
    (("tool",), _one_key("rope, long stick, ladder, shovel, piece of string, plank, hook, basket")),
    (
        ("sound", "reason"),
        (
            ("a strange howling", "I miss my mother"),
            ("a soft sobbing", "I have lost my way"),
            ("a loud rumbling", "my tummy is so empty"),
            ("a sad little song", "nobody ever visits me"),
            ("a scratching noise", "I cannot find my home"),
            ("a slow knocking", "I am locked out in the cold"),
        ),
    ),
    (
        ("baby", "mother"),
        (
            ("baby bird", "mother bird"),
            ("baby dragon", "mother dragon"),
            ("kitten", "mother cat"),
            ("fawn", "mother deer"),
            ("cub", "mother bear"),
            ("lamb", "mother sheep"),
            ("duckling", "mother duck"),
        ),
    ),
    (
        ("seed", "grown"),
        (
            ("a tiny seed", "a tall sunflower"),
            ("a brown acorn", "a strong young oak"),
            ("a round bean", "a green vine that reached the roof"),
            ("a black pip", "a tree full of apples"),
            ("a wrinkled bulb", "a bright red tulip"),
        ),
    ),
    (("bully",), _one_key("troll, giant, ogre, goose, bull, goblin")),
    (
        ("kindness",),
        _one_key(
            "told a funny joke, offered a warm bun, sang a silly song, gave a bunch of daisies, "
            "asked a kind question"
        ),
    ),
    (
        ("prize",),
        _one_key(
            "a jar of old letters, a box of seeds, a bag of colorful marbles, a heap of picture "
            "books, a golden flute, a chest of toys, a bag of silver bells"
        ),
    ),
    (
        ("obstacle", "crossing"),
        (
            ("a wide river", "a raft made of logs"),
            ("a steep cliff", "a rope tied to a tree"),
            ("a thick fog", "a lantern that lit the way"),
            ("a dark tunnel", "a candle to light the way"),
            ("a wall of thorns", "a hidden path below the leaves"),
            ("a field of deep snow", "a sled made of bark"),
        ),
    ),
    (
        ("vehicle",),
        _one_key(
            "balloon, flying carpet, paper boat, silver train, cloud, flying umbrella, rocket, "
            "giant kite"
        ),
    ),
    (
        ("faraway",),
        _one_key(
            "an island of glass, a forest of blue trees, the land of clouds, a city of lights, "
            "the valley of echoes, a mountain made of sugar, the garden of the moon"
        ),
    ),
    (("music",), _one_key("violin, flute, drum, old guitar, trumpet, harp, tin whistle, bell")),
    (("morning",), _one_key("morning, day, afternoon, sunny morning, windy day, cold morning")),
    (("night",), _one_key("night, evening, dark night, windy evening, cold night")),
    (
        ("habit",),
        _one_key(
            "watched the sun come up, went for a long walk, sang a little song, counted the "
            "birds, picked a flower, looked for something new, drank a cup of tea, swept the "
            "floor, told stories to the stars, collected shiny things, played by the water, "
            "worked very hard"
        ),
    ),
    (
        ("love",),
        _one_key(
            "music, sweet berries, the smell of rain, long stories, warm bread, bright colors, "
            "a good joke, quiet evenings, climbing, counting stars, honey, picnics, old songs"
        ),
    ),
)
_SLOTS = {key: table for table in _TABLES for key in table[0]}

# --- plots ----------------------------------------------------------------------------------------

_Variants = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Plot:
    """What happens: each beat is told by one of its variants.

    Attributes:
        ask: Clauses that name this plot in a request.
        worlds: Where it can happen.
        themes: What it is about.
        beats: Problem, attempt, help, resolution, thanks: in order.
        morals: What is learned, after "that".
    """

    ask: _Variants
    worlds: tuple[World, ...]
    themes: tuple[str, ...]
    beats: tuple[_Variants, ...]
    morals: _Variants


_EVERYWHERE: tuple[World, ...] = ("land", "sea", "space")
_THANKS: _Variants = (
    '"Thank you," said {s}. "I could not have done it without you."',
    '{H} thanked {helper} with a big hug.',
    '"You are a true friend," {s} told {helper}.',
    '{H} gave {helper} {a_gift} to say thank you.',
    '"How can {i} ever thank you?" asked {s}. "Just be my friend," said {helper}.',
)  # fmt: skip

_LOST = _Plot(
    ask=("who lost {his} {object}", "and {a_object}", "and a lost {object}"),
    worlds=_EVERYWHERE,
    themes=("friendship", "helping others"),
    beats=(
        (
            "One {morning} {c} could not find {his} {object}. {He} looked {spot1}, but in vain.",
            'But one {morning} the best {object} of {c} was gone. "Where can it be?" cried {s}.',
            "One {morning} the wind blew {his} {object} away, and {c} saw it go.",
        ),
        (
            "{H} searched {spot2} and {spot1}, and grew very sad.",
            "{H} asked everyone, but nobody had seen the {object}.",
            "{H} looked everywhere until {he} {was} too tired to go on.",
        ),
        (
            'Then {helper} came by. "I saw something {spot3}," said {helper}. "Follow me!"',
            '{Helper} heard the crying and stopped. "Let us look together," said {helper}.',
            '"Do not give up," said {helper}. "Four eyes see more than two."',
        ),
        (
            "Together they looked {spot3}, and there was the {object}, safe and sound.",
            "Soon they found the {object} {spot3}. {C} jumped for joy.",
            "They looked under every leaf, and at last {c} found the {object} {spot3}.",
        ),
        _THANKS,
    ),
    morals=("friends are worth more than things", "a search is shorter with a friend"),
)
_STORM = _Plot(
    ask=("whose home is blown away", "in a storm", "and a big storm"),
    worlds=("land", "sea"),
    themes=("helping others", "teamwork", "the wind"),
    beats=(
        (
            "One {night} a terrible storm came and broke everything that {c} had built.",
            "Then a storm howled all night, and in the morning {c} had no roof any more.",
        ),
        (
            "{H} tried to mend it alone, but it fell down again and again.",
            '"{I} will never fix this," sighed {s}, and sat down among the pieces.',
        ),
        (
            '{Helper} came along with {a_tool}. "Many hands make light work," said {helper}.',
            "{Helper} saw the trouble and called all the neighbors to help.",
        ),
        (
            "They worked until the sun went down, and the new home was better than before.",
            "Piece by piece the walls grew, and by evening {c} had a home again.",
        ),
        (
            "That night {h} cooked a big pot of soup for everyone.",
            *_THANKS,
        ),
    ),
    morals=("together we are stronger than any storm", "a home is built by friends"),
)
_WAY_HOME = _Plot(
    ask=("who get{z} lost", "who lost {his} way", "who want{z} to go home", "lost far from home"),
    worlds=_EVERYWHERE,
    themes=("helping others", "courage", "the forest"),
    beats=(
        (
            "One {morning} {h} went out to play and went too far. Soon {c} {was} lost.",
            "One {night} a thick mist came down, and {c} could not find the way home.",
        ),
        (
            "{H} called for help, but only an echo answered.",
            "Everything looked strange, and {h} began to shiver.",
        ),
        (
            'At last a small light appeared. It was {helper}. "Are you lost?" asked {helper}.',
            '"Why are you crying?" asked {helper}. "{I} want to go home," said {s}.',
        ),
        (
            "{Helper} knew every path and led {c} safely all the way home.",
            "They sang all the way so that {c} {was} not afraid, until home came into sight.",
        ),
        (
            'At the door {s} said, "Please come in and rest." And {helper} did.',
            *_THANKS,
        ),
    ),
    morals=("there is always someone who will show the way", "asking for help is brave"),
)
_FEAR = _Plot(
    ask=("who {was} afraid of {fear}", "who learn{z} to be brave", "afraid of {fear}"),
    worlds=_EVERYWHERE,
    themes=("courage", "being brave", "fear"),
    beats=(
        (
            "But {c} had a secret: {he} {was} afraid of {fear}.",
            "There was only one problem. {C} {was} terribly afraid of {fear}.",
        ),
        (
            "When the others played, {h} stayed behind and made excuses.",
            "{H} tried to hide it, but {his} knees shook every time.",
        ),
        (
            '{Helper} noticed. "I was afraid once too," said {helper}. "Try it with me."',
            '"Hold on to me," said {helper}. "We will count to ten together."',
        ),
        (
            "So {h} {facing} and counted to ten, and learned that {faced}.",
            "{H} {facing} once, and then once more, and saw that {faced}.",
        ),
        (
            '"{I} did it!" shouted {s}, and {helper} cheered.',
            "{C} laughed out loud and felt ten feet tall.",
        ),
    ),
    morals=("being brave means trying even when you are scared", "fears grow small when shared"),
)
_SHARING = _Plot(
    ask=("who learn{z} to share", "who found {a_food}", "and {a_food}", "who would not share"),
    worlds=_EVERYWHERE,
    themes=("sharing", "kindness", "food"),
    beats=(
        (
            "One {morning} {c} found {a_food} {spot1}. It was the biggest {he} had ever seen.",
            "One {morning} somebody gave {c} {a_food}, still warm and sweet.",
        ),
        (
            '"It is all for {me}," said {s}, and hid it {spot2}.',
            "{H} looked left and right and wanted to eat it all alone.",
        ),
        (
            'Just then {helper} came by. "I have not eaten for days," whispered {helper}.',
            "Then {h} saw {helper}, who was thin and cold and very hungry.",
        ),
        (
            "{H} thought of {helper}, broke it in two and gave away the bigger half.",
            '{C} felt a tug in {his} heart. "Sit down and eat with {me}," said {s}.',
        ),
        (
            "It had never tasted so good. Later {helper} came back with {a_gift} for {c}.",
            "They ate and laughed together, and {helper} told {c} a wonderful story.",
        ),
    ),
    morals=("sharing makes everything taste better", "half a meal with a friend is a feast"),
)
_SKILL = _Plot(
    ask=("who want{z} to {skill}", "who learn{z} to {skill}", "who could not {skill}"),
    worlds=_EVERYWHERE,
    themes=("never giving up", "learning", "patience"),
    beats=(
        (
            "More than anything, {c} wanted to {skill}.",
            "One {morning} {c} decided to learn to {skill}.",
        ),
        (
            "{H} tried, but {failed}. {He} tried again, and it was even worse.",
            "The first time {he} {failed}, and everybody laughed. {H} wanted to give up.",
        ),
        (
            '"I failed a hundred times," said {helper}. "Let me show you how."',
            '"Try again, but slowly," said {helper}. "I will help you."',
        ),
        (
            "Every day {c} practiced, and every day it went a little better.",
            "They practiced in the morning, and they practiced at night, and {c} did not give up.",
        ),
        (
            "When the day of the big party came, {h} {managed}, and everyone clapped.",
            "And then, one {morning}, {h} {managed}. {Helper} shouted with joy.",
        ),
    ),
    morals=("every master was once a beginner", "you only fail when you stop trying"),
)
_RESCUE = _Plot(
    ask=("who save{z} {a_friend}", "who help{z} {a_friend}", "and {a_friend} in trouble"),
    worlds=("land", "sea"),
    themes=("kindness", "courage", "helping others", "friendship"),
    beats=(
        (
            "One {morning} {c} heard a faint cry. {Helper} was stuck {trap}.",
            'One {morning} somebody called, "Help! Help!" It was {helper}, caught {trap}.',
        ),
        (
            "{H} pulled and pulled, but {helper} did not move at all.",
            '"{I} will get you out," said {s}, but it was harder than it looked.',
        ),
        (
            "Then {c} had an idea and fetched {a_tool} from home.",
            "{H} thought hard, and then ran to borrow {a_tool}.",
        ),
        (
            "With the {tool}, {c} pulled once more, and out came {helper}!",
            "Slowly and carefully {h} used the {tool}, and soon {helper} was free.",
        ),
        (
            '"You saved my life," said {helper}, and gave {c} {a_gift}.',
            '"I will never forget this," said {helper}, and smiled at {c}.',
        ),
    ),
    morals=("even small helpers can do great things", "a good idea is stronger than strong arms"),
)
_NOISE = _Plot(
    ask=("who hear{z} a strange sound", "and a strange noise in the night", "and a mystery"),
    worlds=_EVERYWHERE,
    themes=("courage", "the night", "kindness"),
    beats=(
        (
            "One {night} {c} heard {sound} outside. It came from {spot1}.",
            "One {night} {sound} woke {c} from {his} sleep.",
        ),
        (
            '"Is it a monster?" whispered {s}, and hid under the blanket. But the sound went on.',
            "{H} took a deep breath, picked up {a_tool}, and crept closer and closer.",
        ),
        (
            'There was no monster at all. It was only {helper}. "{Reason}," said {helper}.',
            '{H} found {helper} sitting all alone. "{Reason}," said {helper} with a sniff.',
        ),
        (
            '"You can stay with {me}," said {s}, and brought a blanket and {a_food}.',
            '{C} smiled. "{I} will help you," said {s}, and they sat and talked until sunrise.',
        ),
        (
            "In the morning they laughed about the scary sound.",
            "After that, the night was never scary to {c} again.",
        ),
    ),
    morals=("many monsters are just friends we do not know yet", "it is good to look twice"),
)
_RACE = _Plot(
    ask=("in a race", "who want{z} to win a race", "and the big race"),
    worlds=_EVERYWHERE,
    themes=("kindness", "being fair", "never giving up"),
    beats=(
        (
            "One {morning} there was a great race, and {c} wanted to win.",
            "The day of the big race came. {C} stood at the start and trembled.",
        ),
        (
            "{H} went as fast as {he} could, and soon {he} {was} ahead of everyone.",
            "At first {h} {was} last, but bit by bit {he} caught up.",
        ),
        (
            "Then {c} saw {helper} lying {spot1} with a hurt leg.",
            "Right before the end, {helper} stumbled and fell.",
        ),
        (
            '{H} stopped at once. "You matter more than a race," said {s}, and helped {helper} up.',
            "{C} lifted {helper} up, and they crossed the line together, last of all.",
        ),
        (
            "The crowd cheered louder for {c} than for the winner.",
            "There was no prize, but {helper} gave {c} {a_gift}.",
        ),
    ),
    morals=("a good heart is better than a gold medal", "winning is not everything"),
)
_LONELY = _Plot(
    ask=("who had no friends", "who want{z} a friend", "who find{z} a friend"),
    worlds=_EVERYWHERE,
    themes=("friendship", "making friends", "being lonely"),
    beats=(
        (
            "But {c} had nobody to play with. The others always said {he} {was} too different.",
            "Sometimes {c} felt sad, because there was no one to share the days with.",
        ),
        (
            "{H} laid the table for two and waited, but no one came.",
            "{H} wrote a letter, folded it into a bird, and let the wind take it.",
        ),
        (
            '"Hello," said a voice {spot1}. It was {helper}. "Will you play with me?"',
            'The next day {helper} stood at the door. "I have no friends either," said {helper}.',
        ),
        (
            "They played until dark, and {c} laughed more than ever before.",
            "{C} showed {helper} every secret place, and {helper} taught {him} a new game.",
        ),
        (
            "Soon the others wanted to join in, and nobody was left out.",
            '"Same time tomorrow?" asked {helper}. "Every day!" said {s}.',
        ),
    ),
    morals=("somewhere a friend is waiting for you too", "being different is being special"),
)
_BIRTHDAY = _Plot(
    ask=("who {has} a birthday", "and a birthday party", "and a surprise"),
    worlds=_EVERYWHERE,
    themes=("birthdays", "friendship", "a party"),
    beats=(
        (
            "It was a special day: the birthday of {c}. But nobody said a word about it.",
            '"Today is {my} birthday," thought {s}, but everyone seemed to have forgotten.',
        ),
        (
            "{H} waited by the door all morning, and a tear rolled down.",
            "{H} met {helper}, who only said good morning and hurried away. {C} felt sad.",
        ),
        (
            'In the evening {helper} knocked. "Please come with me, quickly!" said {helper}.',
            "Then {h} saw a trail of paper stars and followed it {spot1}.",
        ),
        (
            '"Surprise!" everyone shouted. There were candles, songs and {a_food} for {c}.',
            "There stood all {his} friends with {a_food} and {a_gift} for {c}!",
        ),
        (
            "{C} laughed and cried at the same time.",
            "They danced until the stars came out, and {c} danced most of all.",
        ),
    ),
    morals=("good friends never forget", "the best gift is to be loved"),
)
_TREASURE = _Plot(
    ask=("who find{z} a treasure", "and a treasure map", "on an adventure"),
    worlds=("land",),
    themes=("adventure", "treasure", "sharing"),
    beats=(
        (
            "One {morning} {c} found an old map {spot1}. A red cross marked a treasure.",
            "One {morning} a bottle with a treasure map lay {spot1}, right in front of {c}.",
        ),
        (
            "{H} packed {a_food} and set off, but soon {obstacle} blocked the way.",
            "{C} followed the map for two days, until {he} came to {obstacle}.",
        ),
        (
            'There sat {helper}. "I know a way," said {helper}, and showed {him} {crossing}.',
            '"We can pass it together," said {helper}, and made {crossing}.',
        ),
        (
            "On the other side they dug and dug, and {c} lifted out {prize}.",
            "Behind the last hill stood a chest. {C} opened it, and inside was {prize}.",
        ),
        (
            '"Half of it is yours," said {s} to {helper}.',
            "{H} shared it with everyone at home, and kept only one small piece.",
        ),
    ),
    morals=("the real treasure is a friend by your side", "the journey was the best part"),
)
_GARDEN = _Plot(
    ask=("who planted {seed}", "and {seed}", "and a garden"),
    worlds=("land",),
    themes=("patience", "the garden", "nature", "spring"),
    beats=(
        (
            "One {morning} {c} found {seed} and planted it in the ground.",
            "In spring somebody gave {c} {seed}, and {he} planted it by the door.",
        ),
        (
            "{H} gave it water every day, but nothing grew. {He} stamped {his} foot.",
            'Days went by and nothing happened. "It will never grow," said {s}.',
        ),
        (
            '"Good things take time," said {helper}. "Keep going and wait."',
            '{Helper} looked at the ground and smiled. "It is only sleeping," said {helper}.',
        ),
        (
            "So {c} waited through wind and rain, and one {morning} a small green leaf came up.",
            "{H} sang to it each evening, and at last a tiny sprout peeked out.",
        ),
        (
            "By summer it was {grown}, and {c} sat beside it with {helper}.",
            "It grew and grew into {grown}, and everybody came to see what {c} had done.",
        ),
    ),
    morals=("good things take time", "love and patience make things grow"),
)
_FOUNDLING = _Plot(
    ask=("who found a {baby}", "and a {baby}", "who help{z} a {baby}"),
    worlds=("land",),
    themes=("kindness", "family", "love"),
    beats=(
        (
            "One {morning} {c} found a {baby} {spot1}. It was cold and all alone.",
            "One {night} a {baby} sat at the door of {c} and cried.",
        ),
        (
            '"Do not cry," said {s}, and wrapped it in a warm blanket.',
            "{H} gave it milk and looked for its mother, but did not find her.",
        ),
        (
            '"Its mother lives far away, past {obstacle}," said {helper}.',
            '{Helper} came by. "I saw the {mother} near {obstacle}," said {helper}.',
        ),
        (
            "So {c} carried the {baby} all day long, and at last they saw the {mother}.",
            "The way was long, but {c} did not stop until {he} found the {mother}.",
        ),
        (
            "The {mother} wept with joy and thanked {c} again and again.",
            "The {baby} jumped into the arms of the {mother}, and waved goodbye to {c}.",
        ),
    ),
    morals=("love always finds the way home", "a little care can change a life"),
)
_TRUTH = _Plot(
    ask=("who told a lie", "who broke {a_object}", "who learn{z} to tell the truth"),
    worlds=_EVERYWHERE,
    themes=("honesty", "telling the truth", "forgiveness"),
    beats=(
        (
            "One {morning} {c} borrowed {a_object} from {helper} and broke it by accident.",
            "While playing one {morning}, {c} broke the {object} of {helper}.",
        ),
        (
            '{H} hid the pieces {spot1}. When {helper} asked, {s} said, "{I} do not know."',
            '"It was the wind," said {s}, and felt a heavy stone in {his} heart.',
        ),
        (
            "That night {c} could not sleep. The lie felt bigger and bigger.",
            "{Helper} searched everywhere and was so sad that {c} felt worse and worse.",
        ),
        (
            'In the morning {h} went to {helper}. "It was {me}," said {s}. "{I} {am} sorry."',
            'At last {c} told the truth. "Thank you for being honest," said {helper}.',
        ),
        (
            "Together they mended the {object} with glue, and it looked like new.",
            "{Helper} forgave {c}, and they made a new {object} together.",
        ),
    ),
    morals=("the truth makes the heart light", "it is never too late to say sorry"),
)
_BULLY = _Plot(
    ask=("and a grumpy {bully}", "who met a grumpy {bully}", "and a mean {bully}"),
    worlds=("land",),
    themes=("kindness", "courage", "making friends"),
    beats=(
        (
            "{C} had to cross a bridge, but a grumpy {bully} sat there and let nobody pass.",
            'One {morning} a grumpy {bully} stood in the way of {c}. "Go back!" it roared.',
        ),
        (
            "Everyone else ran away, but {h} stayed and thought.",
            "{H} shook a little, but {he} did not run.",
        ),
        (
            '"Maybe it is just unhappy," whispered {helper} to {c}.',
            'Then {c} remembered the words of {helper}: "A kind word opens every door."',
        ),
        (
            "So {c} {kindness}. The {bully} stared, and then it began to smile.",
            "{C} went up to the {bully} and {kindness}. Nobody had ever done that before.",
        ),
        (
            '"You may pass whenever you like," said the {bully}, and waved to {c}.',
            "From then on, the {bully} carried everyone across, and {c} came to visit every week.",
        ),
    ),
    morals=("kindness is stronger than anger", "a smile can melt the hardest heart"),
)
_LETTER = _Plot(
    ask=("who {has} to deliver a letter", "and an important letter"),
    worlds=("land",),
    themes=("never giving up", "adventure", "keeping a promise"),
    beats=(
        (
            'One {morning} {c} got a letter. "Bring it to the queen before dark," they said.',
            "One {morning} {c} promised to carry {a_object} to a sick friend far away.",
        ),
        (
            "{H} rested only once, {spot1}. But then came {obstacle}.",
            "Halfway there, {obstacle} stopped {c}, and the sun was already low.",
        ),
        (
            '"I can help," said {helper}, and showed {c} {crossing}.',
            "{Helper} saw {him} and quickly made {crossing}.",
        ),
        (
            "{H} went on, tired and muddy, and knocked at the door with the last ray of sun.",
            "{C} arrived just in time, out of breath but happy.",
        ),
        (
            '"You kept your promise," said everyone, and {c} blushed.',
            "There was hot soup and {a_food} for {c} and {helper}.",
        ),
    ),
    morals=("a promise is worth keeping", "nobody has to go the whole way alone"),
)
_WINTER = _Plot(
    ask=("in winter", "in the snow", "and a cold winter", "who was kind in winter"),
    worlds=("land",),
    themes=("winter", "snow", "kindness", "sharing"),
    beats=(
        (
            "Winter came, and everything was white. {C} sat by the warm fire.",
            "One {night} in winter, the snow fell so thick that {c} stayed inside.",
        ),
        (
            "Then there was a soft knock. {Helper} stood outside and shivered.",
            "Through the window {h} saw {helper} with snow on its head.",
        ),
        (
            '"May I warm myself?" asked {helper}. "There is only one bed," thought {s}.',
            '"I have no place to sleep," said {helper}. {C} looked at {his} last log of wood.',
        ),
        (
            '"Come in," said {s}. {H} put the last log on the fire and shared {his} {food}.',
            "{C} opened the door wide and gave {helper} the softest blanket.",
        ),
        (
            "When spring came, {helper} built {c} a new chair and brought {a_gift}.",
            "All winter they told stories, and {c} was never cold again.",
        ),
    ),
    morals=("a warm heart keeps out the cold", "a shared fire burns brighter"),
)
_WISH = _Plot(
    ask=("who wished for an adventure", "who travel{z} to {faraway}", "and a magic {vehicle}"),
    worlds=("land", "space"),
    themes=("adventure", "magic", "dreams", "flying"),
    beats=(
        (
            "One {night} {c} looked at the sky and wished for an adventure. A star blinked.",
            '"{I} wish {i} could fly," said {s} one {night}. And something rustled outside.',
        ),
        (
            "At once a {vehicle} came down and stopped in front of {c}. {He} climbed in.",
            "There stood a {vehicle}, shining softly. {H} touched it, and up they went.",
        ),
        (
            "It flew to {faraway}, where {helper} showed {c} a hundred wonders.",
            "Far below lay {faraway}. {Helper} was waiting there and bowed to {c}.",
        ),
        (
            'But after a while {h} grew quiet. "{I} miss home," said {s}.',
            "They ate sweet clouds and laughed, but then {c} thought of {his} own bed.",
        ),
        (
            '"Then home you shall go," said {helper}, and gave {him} {a_gift} to keep.',
            "The {vehicle} carried {c} home before sunrise, and {helper} waved for a long time.",
        ),
    ),
    morals=("there is no place like home", "dreams can carry you anywhere"),
)
_PRIDE = _Plot(
    ask=("who was too proud", "who always showed off", "who would not ask for help"),
    worlds=_EVERYWHERE,
    themes=("being humble", "asking for help", "friendship"),
    beats=(
        (
            '"Nobody is better than {me}," {s} liked to say. So {c} never asked for help.',
            "{C} bragged so much that the others stopped listening.",
        ),
        (
            "One {morning} {h} wanted to show off and got stuck {trap}.",
            "One {morning} {c} tried to jump over everyone, and fell into a deep hole.",
        ),
        (
            '"Do you need help?" asked {helper}. "No!" said {s}. But {he} could not get out.',
            "{H} waited for a long time. At last {he} called, very softly, for help.",
        ),
        (
            "{Helper} came with {a_tool} and pulled {c} out, without a single mean word.",
            'Soon {helper} brought {a_tool}. "Everybody gets stuck," said {helper} kindly.',
        ),
        (
            '"{I} {was} wrong," said {s}. "You are the clever one."',
            "{C} said thank you and never bragged again.",
        ),
    ),
    morals=("asking for help is not a weakness", "it is better to be kind than to be grand"),
)
_MUSIC = _Plot(
    ask=("who love{z} music", "and {a_music}", "who found {a_music}", "who play{z} {a_music}"),
    worlds=_EVERYWHERE,
    themes=("music", "joy", "a song"),
    beats=(
        (
            "Everyone there had grown sad and quiet. Then {c} found {a_music} {spot1}.",
            "One {morning} {c} found {a_music} {spot1}, old and covered with dust.",
        ),
        (
            "{H} tried to play it, but it only made a squeak.",
            "{C} cleaned it with {his} sleeve, but did not know how to play.",
        ),
        (
            '"I used to play one," said {helper}. "Let me teach you."',
            '{Helper} listened and smiled. "Play from the heart," said {helper}.',
        ),
        (
            "So {c} practiced until a gentle tune floated through the air.",
            "{H} closed {his} eyes and played, and the music was as warm as sunlight.",
        ),
        (
            "One by one the others came out and began to dance around {c}.",
            "Soon everybody was singing, and {c} played until the moon came up.",
        ),
    ),
    morals=("a song can chase away the sadness", "music brings everyone together"),
)
_FLOOD = _Plot(
    ask=("who had a good idea", "who save{z} the village", "who save{z} everyone"),
    worlds=("land",),
    themes=("teamwork", "being clever", "helping others"),
    beats=(
        (
            'That summer no rain fell, and the well ran dry. "{I} must do something," said {s}.',
            "One {night} the river rose and came close to every house. {C} saw it first.",
        ),
        (
            "{H} ran from door to door, but the others only shook their heads.",
            '"What can {one_hero} do?" the others asked. But {c} did not listen.',
        ),
        (
            "Only {helper} believed {him} and came along with {a_tool}.",
            '"I believe you," said {helper}. "Tell me your plan."',
        ),
        (
            "They dug all night, and by sunrise {c} had led the water to the right place.",
            "{C} worked without a rest, and {helper} worked too, until the danger was over.",
        ),
        (
            "Everybody came out and cheered for {c} and {helper}.",
            '"We should have listened to you," said the others, and bowed to {c}.',
        ),
    ),
    morals=("one good idea can save the day", "you are never too small to help"),
)
_WALKING_PLOTS = (
    _LOST, _STORM, _WAY_HOME, _FEAR, _SHARING, _SKILL, _RESCUE, _NOISE, _RACE, _LONELY, _BIRTHDAY,
    _TREASURE, _GARDEN, _FOUNDLING, _TRUTH, _BULLY, _LETTER, _WINTER, _WISH, _PRIDE, _MUSIC, _FLOOD,
)  # fmt: skip

_STILL_PLOTS = (
    _Plot(
        ask=("that nobody visited", "that wants a friend", "that felt alone", "and {a_friend}"),
        worlds=("still",),
        themes=("friendship", "being lonely"),
        beats=(
            (
                "Nobody ever came to visit, and {c} felt very much alone.",
                "People passed by every day, but no one stopped to talk to {c}.",
            ),
            (
                '"If only I had one friend," sighed {s}.',
                "{H} waited through summer and winter, and hoped.",
            ),
            (
                "One {night} {helper} came along, tired and lost.",
                "One {morning} {helper} stopped right there to rest.",
            ),
            (
                '{C} was so glad that it began to {power}. "How wonderful!" cried {helper}.',
                '"I can {power}," said {s} shyly. And that is what {c} did, all night long.',
            ),
            (
                "{Helper} stayed, and told everyone about {c}. Soon many visitors came.",
                '"I will come back every day," said {helper}, and kept the promise.',
            ),
        ),
        morals=("a friend may come when you least expect it", "nobody is alone forever"),
    ),
    _Plot(
        ask=("in a storm", "that saves {a_friend}", "and a terrible storm"),
        worlds=("still",),
        themes=("courage", "helping others"),
        beats=(
            (
                "One {night} a terrible storm came, and {helper} was lost in the dark.",
                "One {night} the wind roared, and somewhere {helper} called for help.",
            ),
            (
                '"I am too old and small," thought {s}. But then {c} heard another cry.',
                "{C} trembled in the wind, but it did not want to give up.",
            ),
            (
                "It gathered all its strength and began to {power}, better than ever before.",
                '"I must try," said {s}, and began to {power}.',
            ),
            (
                "{Helper} saw it from far away, and step by step found the way to {c}.",
                '"There it is!" shouted {helper}, and came safely to {c}.',
            ),
            (
                'In the morning the sky was blue. "You saved me," said {helper}.',
                "When the storm was over, {helper} hugged {c} tight.",
            ),
        ),
        morals=("you are stronger than you think", "even one small light can save a life"),
    ),
    _Plot(
        ask=("that was broken", "that needs to be mended", "that could not {power}"),
        worlds=("still",),
        themes=("kindness", "helping others"),
        beats=(
            (
                "One {morning} something went crack. {C} was broken and could no longer {power}.",
                "But {c} had grown old, and one {morning} it could not {power} any more.",
            ),
            (
                '"It is no use now," said the people, and they walked past.',
                "Days went by, and everyone forgot about {c}.",
            ),
            (
                'Only {helper} stopped. "I will mend you," said {helper}.',
                '"Poor thing," said {helper}, and fetched {a_tool} and some glue.',
            ),
            (
                "{Helper} worked for three days, and {c} held very still.",
                "It took all day and all night, but {helper} did not leave {c} alone.",
            ),
            (
                "At last {c} could {power} again, more beautifully than before.",
                'Then {c} began to {power}. "You did it!" said {s}.',
            ),
        ),
        morals=("broken things can be made whole with love", "nothing is useless if someone cares"),
    ),
    _Plot(
        ask=("that was not happy", "that wished to see the world"),
        worlds=("still",),
        themes=("being yourself", "being happy"),
        beats=(
            (
                '"I wish I could travel the world," said {s}. "All I can do is {power}."',
                "{C} looked at the birds above and wished to be one of them.",
            ),
            (
                "{H} grew so sad that it stopped doing anything at all.",
                "Every day it dreamed of being somewhere else.",
            ),
            (
                'Then {helper} came and asked, "Why did you stop? I loved to watch you {power}."',
                '{Helper} heard it and laughed. "But nobody can {power} like you!" said {helper}.',
            ),
            (
                "That night {c} tried again to {power}, and people came from far away.",
                "So {c} began to {power} once more, and all around there were happy faces.",
            ),
            (
                '"You see?" said {helper}. "We need you just as you are."',
                "{Helper} sat down beside {c} and told it about the wide world.",
            ),
        ),
        morals=("it is best to be yourself", "everyone has a special gift"),
    ),
    _Plot(
        ask=("that was forgotten", "and the birthday of {a_friend}", "that waited for a long time"),
        worlds=("still",),
        themes=("patience", "hope"),
        beats=(
            (
                "Years went by. Dust and leaves covered {c}, and nobody remembered it.",
                "Once there had been songs and parties, but now {c} was forgotten.",
            ),
            (
                'Still, {c} did not lose hope. "Someone will come," it told itself.',
                "Only the wind talked to {c} on long nights.",
            ),
            (
                'One {morning} {helper} pushed the leaves aside. "What is this?" said {helper}.',
                "One {morning} {helper} was looking for {a_object} and found {c} instead.",
            ),
            (
                "{Helper} washed {c} with warm water until it was shining.",
                "They cleaned every corner together, and {c} felt young again.",
            ),
            (
                "That evening {c} could {power} for everyone, and there was a big party.",
                "Then {c} began to {power}, and the people remembered and cheered.",
            ),
        ),
        morals=("hope never gets old", "good things are worth waiting for"),
    ),
    _Plot(
        ask=("and a sad {friend}", "that cheers up {a_friend}", "that is very kind"),
        worlds=("still",),
        themes=("kindness", "friendship", "love"),
        beats=(
            (
                "Every evening {helper} came and sat beside {c} and cried.",
                "One {night} {c} saw {helper}, who looked very sad.",
            ),
            (
                '"What is wrong?" asked {s}. "{Reason}," said {helper}.',
                "{C} wanted to help, but it could not move at all.",
            ),
            (
                "It thought and thought. Then {c} had an idea.",
                '"There is one thing I can do," thought {s}.',
            ),
            (
                "It began to {power}, only for {helper}, as well as it could.",
                "{C} started to {power}, softly at first, and then with all its heart.",
            ),
            (
                "{Helper} looked up, wiped away the tears, and smiled.",
                '"Nobody ever did that for me," said {helper}, and smiled at {c}.',
            ),
        ),
        morals=("even a small kindness can light up the dark", "you do not have to move to help"),
    ),
)

_WALKER_OPENINGS: _Variants = (
    "Once upon a time, there {was} {a_hero} who lived {home}.",
    "Once upon a time, there {was} {a_hero} who lived {home}.",
    "Once upon a time, there lived {a_hero} {home}.",
    "Once upon a time, {a_hero} lived {home}.",
    "Once there {was} {a_hero} who lived {home}.",
    "There once {was} {a_hero} who lived {home}.",
    "Long ago, {a_hero} lived {home}.",
    "Long, long ago, there {was} {a_hero} who lived {home}.",
    "{Home}, there lived {a_hero}.",
    "{A_hero} lived {home}.",
    "This is the story of {a_hero} who lived {home}.",
)
_LONG_OPENINGS: _Variants = (
    "Once upon a time, there {was} {a_hero} who loved {love}. {C} lived {home}.",
    "Once upon a time, there {was} {a_hero} who always {habit}.",
    "Once upon a time {home}, {a_hero} woke up and {habit}.",
    "There {was} {a_hero} who dreamed of {love}. Every day {he} {habit}.",
    "In a faraway land, there {was} {a_hero}. {He} lived {home}, and {he} loved {love}.",
    "Do you know the story of {a_hero}? {He} lived {home}.",
    "Far, far away, {home}, {a_hero} {habit} every day.",
)
_STILL_OPENINGS: _Variants = (
    "Once upon a time, there was {a_hero} that {place}.",
    "Once upon a time, there was {a_hero} that {place}.",
    "Once there was {a_hero} that {place}.",
    "Long ago, {a_hero} {place}.",
    "There once was {a_hero} that {place}.",
    "{A_hero} {place}.",
)
_WALKER_HABITS: _Variants = (
    "Every day {he} {habit}.",
    "Each morning {h} {habit}.",
    "{He} loved {love} more than anything.",
    "{H} liked {love} very much.",
    "{His} best friend was {his} {object}.",
    "",
)
_STILL_HABITS: _Variants = (
    "It could {power}.",
    "Every day it did the same thing: it would {power}.",
    "Nobody else could {power} like that.",
    "",
)
_CLOSINGS: _Variants = (
    "From that day on, {c} and {helper} were the best of friends.",
    "And {c} never forgot that {moral}.",
    "So {c} learned that {moral}.",
    "That night {c} fell asleep with a smile.",
    "And so {c} and {helper} lived happily ever after.",
    "{C} knew now that {moral}.",
    "And whenever {c} told this story, {he} always said that {moral}.",
    "{C} had never been so happy.",
    "After that, {c} {was} never sad again, for {moral}.",
)
_THE_END: _Variants = ("", "", "", "", "", "The end.")

# --- telling --------------------------------------------------------------------------------------

_PRONOUNS: Mapping[str, Mapping[str, str]] = {
    "he": {"he": "he", "him": "him", "his": "his", "himself": "himself"},
    "she": {"he": "she", "him": "her", "his": "her", "himself": "herself"},
    "it": {"he": "it", "him": "it", "his": "its", "himself": "itself"},
    "they": {"he": "they", "him": "them", "his": "their", "himself": "themselves"},
}
_ONE = {"was": "was", "has": "has", "z": "s", "i": "I", "me": "me", "my": "my", "am": "am"}
_MANY = {"was": "were", "has": "have", "z": "", "i": "we", "me": "us", "my": "our", "am": "are"}
_CONSONANT_SOUND = ("uni", "use", "one")
_IRREGULAR_PLURALS = {
    "mouse": "mice", "wolf": "wolves", "goose": "geese", "sheep": "sheep", "deer": "deer",
    "fish": "fish", "starfish": "starfish", "jellyfish": "jellyfish", "squid": "squid",
    "child": "children", "elf": "elves", "postman": "postmen", "fisherman": "fishermen",
    "moose": "moose", "spaceman": "spacemen", "milkmaid": "milkmaids",
}  # fmt: skip


def with_article(words: str) -> str:
    """Put "a" or "an" before `words`."""
    vowel = words[0] in "aeiou" and not words.startswith(_CONSONANT_SOUND)
    return f"an {words}" if vowel else f"a {words}"


def plural(noun: str) -> str:
    """The plural of an English noun, good enough for the nouns of this grammar."""
    if noun in _IRREGULAR_PLURALS:
        return _IRREGULAR_PLURALS[noun]
    if noun.endswith(("s", "x", "ch", "sh")):
        return noun + "es"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + "s"


def _capitalise(text: str) -> str:
    return text[:1].upper() + text[1:]


def _invent(rng: random.Random) -> str:
    """A word that nobody has heard before, so that it can only be copied."""
    if rng.random() < 0.5:
        return rng.choice(_SYLLABLES_A) + rng.choice(_SYLLABLES_B)
    syllables = rng.choice((2, 2, 3))
    stem = "".join(rng.choice(_ONSETS) + rng.choice("aeiou") for _ in range(syllables))
    return stem + rng.choice(_CODAS)


@dataclass(frozen=True, slots=True)
class _Heroes:
    """Who a story is about, and every way to mention them."""

    nouns: tuple[str, ...]
    adjective: str
    intro: str
    by_noun: str
    aliases: tuple[str, ...]
    speakers: tuple[str, ...]
    pronoun: str
    subjects: tuple[str, ...]
    world: World
    home: str
    power: str = ""

    @property
    def many(self) -> bool:
        return self.pronoun == "they"


class _Scene:
    """One telling: fills templates, and remembers each choice to the end of the story."""

    def __init__(self, rng: random.Random, heroes: _Heroes, plot: _Plot) -> None:
        self._rng = rng
        self._heroes = heroes
        spots = rng.sample(_SPOTS[heroes.world], 3)
        helpers = [noun for noun in _HELPERS[heroes.world] if noun not in heroes.nouns]
        self._known = {
            "c": heroes.by_noun,
            "a_hero": heroes.intro,
            "one_hero": "two friends" if heroes.many else f"one {heroes.nouns[0]}",
            "home": heroes.home,
            "place": heroes.home,
            "power": heroes.power,
            "moral": rng.choice(plot.morals),
            "friend": rng.choice(helpers),
            **{f"spot{number}": spot for number, spot in enumerate(spots, start=1)},
            **_PRONOUNS[heroes.pronoun],
            **(_MANY if heroes.many else _ONE),
        }
        self._met_helper = False

    def fill(self, template: str) -> str:
        """Fill each `{key}` of `template`."""
        return re.sub(r"\{(\w+)\}", lambda match: self._slot(match[1]), template)

    def _slot(self, key: str) -> str:
        if key[0].isupper():
            return _capitalise(self._slot(key[0].lower() + key[1:]))
        if key == "h":
            return self._rng.choice(self._heroes.aliases)
        if key == "s":
            return self._rng.choice(self._heroes.speakers)
        if key == "helper":
            return self._helper()
        if key not in self._known:
            self._choose(key)
        return self._known[key]

    def _helper(self) -> str:
        if self._met_helper:
            return f"the {self._known['friend']}"
        self._met_helper = True
        adjective = self._rng.choice(_HELPER_ADJECTIVES)
        return with_article(f"{adjective} {self._known['friend']}")

    def _choose(self, key: str) -> None:
        if key.startswith("a_"):
            self._known[key] = with_article(self._slot(key[2:]))
            return
        keys, rows = _SLOTS[key]
        others = [row for row in rows if row[0] not in self._heroes.nouns]
        self._known.update(zip(keys, self._rng.choice(others), strict=True))


def _sentences(*texts: str) -> list[str]:
    return [text for text in texts if text]


def _opening(rng: random.Random, heroes: _Heroes) -> list[str]:
    still = heroes.world == "still"
    if not still and rng.random() < 0.15:
        return [rng.choice(_LONG_OPENINGS)]
    habits = _STILL_HABITS if still else _WALKER_HABITS
    traits = () if len(heroes.nouns) > 1 else _TRAITS.get(heroes.adjective, ())
    second = rng.choice(traits) if traits and rng.random() < 0.6 else rng.choice(habits)
    return _sentences(rng.choice(_STILL_OPENINGS if still else _WALKER_OPENINGS), second)


def _sequel_opening(rng: random.Random, heroes: _Heroes) -> list[str]:
    choices = (
        "The next day, {c} {was} ready for a new adventure.",
        "Some time later, {c} woke up very early.",
        "A week went by, and {c} thought that all was well.",
        "But that was not the end of the story of {c}.",
    )
    return [rng.choice(choices)]


def _tell(
    rng: random.Random,
    heroes: _Heroes,
    opening: Callable[[random.Random, _Heroes], list[str]] = _opening,
) -> Story:
    plots = _STILL_PLOTS if heroes.world == "still" else _WALKING_PLOTS
    plot = rng.choice([plot for plot in plots if heroes.world in plot.worlds])
    scene = _Scene(rng, heroes, plot)
    closing = _sentences(rng.choice(_CLOSINGS), rng.choice(_THE_END))
    paragraphs = [opening(rng, heroes), [rng.choice(beat) for beat in plot.beats], closing]
    told = [" ".join(scene.fill(sentence) for sentence in paragraph) for paragraph in paragraphs]
    gap = "\n\n" if rng.random() < 0.15 else " "
    place = () if heroes.world == "still" else ("{home}",)
    return Story(
        text=gap.join(told),
        heroes=heroes.nouns,
        subjects=heroes.subjects,
        clauses=tuple(scene.fill(clause) for clause in (*plot.ask, *place)),
        themes=plot.themes,
    )


# --- casting --------------------------------------------------------------------------------------

_Kind = Literal["animal", "sea", "person", "magic", "machine", "space", "still", "odd", "invented"]
_SINGLE_KINDS: Mapping[_Kind, int] = {
    "animal": 33, "sea": 5, "person": 17, "magic": 8, "machine": 7, "space": 4, "still": 10,
    "odd": 8, "invented": 12,
}  # fmt: skip
_PAIR_KINDS: Mapping[_Kind, int] = {
    "animal": 60, "person": 30, "magic": 15, "machine": 5, "odd": 6, "invented": 6,
}  # fmt: skip
_WORLDS: Mapping[_Kind, World] = {"sea": "sea", "space": "space", "still": "still"}
_PEOPLE_PRONOUNS = {noun: pronoun for pronoun, nouns in _PEOPLE.items() for noun in nouns.split()}
_STILL = {noun: (place, power) for noun, place, power in _STILL_HEROES}
_NOUNS: Mapping[_Kind, tuple[str, ...]] = {
    "animal": _LAND_ANIMALS,
    "sea": _SEA_ANIMALS,
    "person": tuple(_PEOPLE_PRONOUNS),
    "magic": _MAGIC,
    "machine": _MACHINES,
    "space": _SPACE_HEROES,
    "still": tuple(_STILL),
    "odd": _ODD_HEROES,
}
HEROES = tuple(dict.fromkeys(noun for nouns in _NOUNS.values() for noun in nouns))
"""Every hero that the grammar knows by name."""

_GROUPS = ("friends", "brothers", "sisters", "children", "neighbors", "cousins")
_MACHINE_PRONOUNS = ("it", "it", "he", "she")
_ANIMAL_PRONOUNS = ("he", "he", "she", "she", "it")


def _pick_kind(rng: random.Random, kinds: Mapping[_Kind, int]) -> _Kind:
    return rng.choices(list(kinds), list(kinds.values()))[0]


def _pick_noun(rng: random.Random, kind: _Kind) -> str:
    return _invent(rng) if kind == "invented" else rng.choice(_NOUNS[kind])


def _kind_of(noun: str) -> _Kind:
    return next((kind for kind, nouns in _NOUNS.items() if noun in nouns), "invented")


def _pick_name(rng: random.Random) -> str:
    return _capitalise(_invent(rng)) if rng.random() < 0.2 else rng.choice(_NAMES)


def _pick_adjective(rng: random.Random) -> str:
    return rng.choice(tuple(_TRAITS)) if rng.random() < 0.75 else rng.choice(_PLAIN_ADJECTIVES)


def _pick_home(rng: random.Random, kind: _Kind, world: World) -> str:
    if world == "land" and kind == "person":
        return rng.choice(_PERSON_HOMES)
    if world == "land" and kind == "machine":
        return rng.choice(_MACHINE_HOMES)
    return rng.choice(_HOMES[world])


def _pick_pronoun(rng: random.Random, noun: str, kind: _Kind) -> str:
    if kind in ("machine", "space", "odd"):
        return rng.choice(_MACHINE_PRONOUNS)
    if kind == "still":
        return "it"
    if kind in ("person", "magic"):
        return _PEOPLE_PRONOUNS.get(noun) or rng.choice(("he", "she"))
    return rng.choice(_ANIMAL_PRONOUNS)


def _describe(rng: random.Random, noun: str, adjective: str) -> str:
    """The noun with its adjective, and sometimes a second one before or after."""
    if not adjective:
        return noun
    chance = rng.random()
    if chance < 0.12 and adjective != "little":
        return f"{adjective} little {noun}"
    if chance < 0.2:
        other = rng.choice([word for word in _PLAIN_ADJECTIVES if word != adjective])
        comma = rng.choice((",", ""))
        return f"{adjective}{comma} {other} {noun}"
    return f"{adjective} {noun}"


def _by_name(noun: str, described: str, name: str) -> tuple[str, ...]:
    if not name:
        return (with_article(noun),)
    return f"{name} the {noun}", f"{name}, {described}", f"my {noun} {name}", with_article(noun)


def _cast_one(rng: random.Random, noun: str = "", adjective: str | None = None) -> _Heroes:
    """One hero; `adjective=None` lets the writer choose."""
    kind = _kind_of(noun) if noun else _pick_kind(rng, _SINGLE_KINDS)
    noun = noun or _pick_noun(rng, kind)
    if adjective is None:
        adjective = _pick_adjective(rng) if rng.random() < 0.85 else ""
    world = _WORLDS.get(kind, "land")
    home, power = _STILL[noun] if kind == "still" else (_pick_home(rng, kind, world), "")
    described = with_article(_describe(rng, noun, adjective))
    name = _pick_name(rng) if rng.random() < (0.1 if kind == "still" else 0.35) else ""
    named = f"{described} {rng.choice(('named', 'called'))} {name}" if name else described
    the_noun = f"the {noun}"
    return _Heroes(
        nouns=(noun,),
        adjective=adjective,
        intro=named,
        by_noun=the_noun,
        aliases=(the_noun, name) if name else (the_noun,),
        speakers=(the_noun, name) if name else (the_noun,),
        pronoun=_pick_pronoun(rng, noun, kind),
        subjects=tuple(dict.fromkeys((named, described, *_by_name(noun, described, name)))),
        world=world,
        home=home,
        power=power,
    )


def _cast_pair(rng: random.Random) -> _Heroes:
    """Two different heroes: "a dragon and a princess", or two friends of two kinds."""
    kinds = (_pick_kind(rng, _PAIR_KINDS), _pick_kind(rng, _PAIR_KINDS))
    first = _pick_noun(rng, kinds[0])
    second = _pick_noun(rng, kinds[1])
    while second == first:
        second = _pick_noun(rng, kinds[1])
    plain = f"{with_article(first)} and {with_article(second)}"
    adjectives = [_pick_adjective(rng) if rng.random() < 0.6 else "" for _ in range(2)]
    described = " and ".join(
        with_article(f"{adjective} {noun}".strip())
        for adjective, noun in zip(adjectives, (first, second), strict=True)
    )
    as_friends = rng.random() < 0.25
    both = f"the {first} and the {second}"
    subjects = ("two friends", plain) if as_friends else (described, plain)
    return _Heroes(
        nouns=(first, second),
        adjective="",
        intro=f"two friends, {described}" if as_friends else described,
        by_noun=both,
        aliases=(both, both, "the two friends"),
        speakers=(f"the {first}", f"the {second}"),
        pronoun="they",
        subjects=tuple(dict.fromkeys(subjects)),
        world="land",
        home=_pick_home(rng, kinds[0], "land"),
    )


def _cast_group(rng: random.Random) -> _Heroes:
    """Two of a kind, with names: "two brave cats named Pip and Lulu"."""
    kind: _Kind = rng.choice(("animal", "animal", "person", "magic", "machine", "sea", "odd"))
    group = rng.choice(_GROUPS) if rng.random() < 0.5 else plural(_pick_noun(rng, kind))
    world: World = "sea" if kind == "sea" and group not in _GROUPS else "land"
    adjective = _pick_adjective(rng) if rng.random() < 0.6 else ""
    first, second = rng.sample(_NAMES, 2)
    described = f"two {adjective} {group}" if adjective else f"two {group}"
    named = f"{described} named {first} and {second}"
    the_group = f"the two {group}"
    bare = f"{adjective} {group}".strip()
    return _Heroes(
        nouns=(group,),
        adjective=adjective,
        intro=named,
        by_noun=the_group,
        aliases=(the_group, f"{first} and {second}"),
        speakers=(first, second),
        pronoun="they",
        subjects=tuple(dict.fromkeys((named, described, f"two {group}", bare, group))),
        world=world,
        home=_pick_home(rng, "animal" if group in _GROUPS else kind, world),
    )


def _cast(rng: random.Random) -> _Heroes:
    chance = rng.random()
    if chance < 0.76:
        return _cast_one(rng)
    return _cast_pair(rng) if chance < 0.9 else _cast_group(rng)


def write_story(rng: random.Random, *, hero: str = "", adjective: str | None = None) -> Story:
    """Write one story.

    Args:
        rng: Where every choice comes from.
        hero: The noun of the hero, any noun; by default the writer casts one hero or two.
        adjective: What the hero is like, such as "brave" or ""; used with `hero` only.

    Returns:
        The story and what a request for it may mention.
    """
    return _tell(rng, _cast_one(rng, hero, adjective) if hero else _cast(rng))


# --- asking ---------------------------------------------------------------------------------------

_ASKS: _Variants = (
    "Tell me a story about {x}.", "Tell me a story about {x}.", "Tell me a story about {x}.",
    "Tell me a short story about {x}.", "Tell a story about {x}.", "Tell a tale of {x}.",
    "Tell us a tale about {x}.", "Tell me about {x}.", "Tell the tale of {x}.",
    "Write a story about {x}.", "Write a short story about {x}.",
    "Write me a little story about {x}.", "Write a very short story about {x}.",
    "Write a fairy tale about {x}.", "Write a bedtime story about {x}.",
    "Write a children's story about {x}.", "Write a paragraph about {x}.", "Write about {x}.",
    "Can you tell me a story about {x}?", "Could you write a story about {x}?",
    "Can you write a short tale about {x}?", "Would you tell me a bedtime story about {x}?",
    "Do you know a story about {x}?", "May I hear a story about {x}?",
    "How about a story about {x}?", "I want a story about {x}.",
    "I would like to hear a story about {x}.", "I'd love a tale about {x}.",
    "I want to hear about {x}.", "I need a story with {x} in it.", "We want a story about {x}!",
    "Make up a story about {x}.", "Invent a story about {x}.", "Create a short story about {x}.",
    "Compose a tale about {x}.", "Give me a story about {x}.",
    "Give us a bedtime story about {x}.", "Read me a story about {x}.", "Start a story about {x}.",
    "Begin a tale about {x}.", "Generate a story about {x}.",
    "Imagine {x} and tell me what happens.", "Let's hear a story about {x}.", "Story about {x}.",
    "A story about {x}.", "A short story about {x}.", "The story of {x}.", "A tale of {x}.",
    "A bedtime story: {x}.", "Story: {x}.", "{X}.", "{X}, please.", "Something about {x}.",
    "My daughter wants a story about {x}.", "My son would like to hear about {x}.",
    "Tell my children a story about {x}.", "The hero of the story should be {x}.",
    "Please write a story where the main character is {x}.",
    "Write a story. It should be about {x}.", "Tell me a story with {x}.",
    "Make a story about {x}.", "Can I have a story about {x}?", "Please tell us of {x}.",
    "Spin a tale about {x}.", "I want {x} in my story.", "Say something about {x}.", "{n} story",
    "{n} story", "{n} story, please.", "A {n} story", "{n} tale", "{n}", "Story: {n}",
    "What happened to {x}?", "Who was {x}? Tell me the story.", "Write five sentences about {x}.",
)  # fmt: skip
_ASKS_FREELY: _Variants = (
    "Tell me a story.", "Tell me a story.", "Write a story.", "Write a short story.",
    "A story, please.", "Can you tell me a story?", "Once upon a time", "I want a story.",
    "Tell me a bedtime story.", "Tell me something nice.", "Make something up.", "Surprise me.",
    "I cannot sleep.", "Story time!", "Please tell me a tale.", "Tell me a fairy tale.",
    "Do you know any stories?", "I am bored.", "Write something.", "Begin.", "Start.", "Go ahead.",
    "Write a tale for children.", "Entertain me.",
)  # fmt: skip
_TAILS: _Variants = (
    "Please.", "Make it short.", "Keep it short.", "It should have a happy ending.",
    "Make it funny.", "It is for my little son.", "It is for my daughter.", "Use simple words.",
    "About a hundred words.", "Thank you!", "Thanks.", "In one paragraph.",
    "Keep it under 100 words.", "It is bedtime.",
)  # fmt: skip
_GREETINGS: _Variants = ("Hi!", "Hello!", "Hey,", "Hello there.", "Good evening!", "OK.", "Please:")
_VERSE: _Variants = (
    "Write a poem about {x}.", "Write a haiku about {x}.", "Sing a song about {x}.",
    "Tell me a joke about {x}.", "Write an essay about {x}.", "Write a letter to {x}.",
    "Draw a picture of {x}.", "Write a rap about {x}.", "Describe {x}.",
    "Write a limerick about {x}.", "Write a play about {x}.",
)  # fmt: skip
_VERSE_NOTES: _Variants = (
    "I only know how to tell stories, so here is one.",
    "I can only tell little stories. Here is one for you.",
    "I am just a small storyteller, so I will tell you a story instead.",
)
_CONTINUES: _Variants = (
    "Continue this story: {x}", "Continue: {x}", "Finish this story: {x}", "Go on with this: {x}",
    "Complete the text: {x}", "Please continue.\n\n{x}", "How does this story go on? {x}", "{x}",
    "{x}", "{x}", "{x} ...", "{x}...",
)  # fmt: skip


def _restyle(rng: random.Random, request: str) -> str:
    """The same request as different people would type it."""
    chance = rng.random()
    if chance < 0.46:
        return request
    bare = request.rstrip(".")
    if chance < 0.64:
        return bare
    if chance < 0.81:
        return bare.lower()
    if chance < 0.91:
        return request.upper() if chance < 0.86 else bare.upper()
    if chance < 0.93:
        return bare.title()
    return bare + rng.choice(("!", " please", ", please.", " :)", "?", " "))


def _subject(rng: random.Random, story: Story) -> str:
    subject = rng.choice(story.subjects)
    if len(story.heroes) == 1 and subject.startswith(("a ", "an ")) and rng.random() < 0.08:
        subject = rng.choice(("the", "my", "one", "our")) + subject[subject.index(" ") :]
    if rng.random() < 0.25:
        subject = f"{subject} {rng.choice(story.clauses)}"
    return subject


def _ask(rng: random.Random, phrases: _Variants, subject: str) -> str:
    bare = re.sub(r"\b(an?|the|two) ", "", subject)
    filled = rng.choice(phrases).replace("{x}", subject).replace("{n}", bare)
    return filled.replace("{X}", _capitalise(subject))


def write_request(rng: random.Random, story: Story) -> str:
    """What a user might type to be told `story`: always answerable by it, never giving it away."""
    chance = rng.random()
    if chance < 0.05:
        request = rng.choice(_ASKS_FREELY)
    elif chance < 0.12:
        request = _ask(rng, _ASKS, rng.choice(story.themes))
    else:
        request = _ask(rng, _ASKS, _subject(rng, story))
    if rng.random() < 0.08:
        request = f"{rng.choice(_GREETINGS)} {request}"
    if rng.random() < 0.12:
        request = f"{request} {rng.choice(_TAILS + _SYSTEM_PROMPTS)}"
    if rng.random() < 0.04:
        request = f"{' '.join(rng.sample(_SYSTEM_PROMPTS, rng.choice((1, 2, 4))))} {request}"
    return _restyle(rng, request)


_SYSTEM_PROMPTS: _Variants = (
    "You are a helpful assistant.", "You are a helpful assistant.", "You are a storyteller.",
    "You are a storyteller for children.", "You tell short bedtime stories.", "Answer briefly.",
    "You are a kind assistant that answers in simple English.", "Be concise.",
    "Be friendly and polite.", "You write children's stories. Keep them short and gentle.",
    "You are an AI assistant.", "Always answer with a story.", "Use simple words.",
    "You are a creative writer.", "You are a demo model.", "Never write more than one paragraph.",
    "Write in English only.", "You are a friendly librarian who loves old tales.",
    "Do not use difficult words.",
    "You are a teacher in a small school. Your pupils are six years old.",
    "Respond to the user as well as you can.", "You are a writing partner.",
    "The user is a child.", "You help people relax in the evening.",
    "Follow the instructions of the user carefully.",
)  # fmt: skip
_QUESTIONS: _Variants = (
    "What is the capital of {place}?", "What is the capital of {place}?", "Where is {place}?",
    "How many people live in {place}?", "What is the weather in {place}?",
    "Who is the president of {place}?", "What language do they speak in {place}?",
    "How do I get to {place}?", "Book a flight to {place}.", "What is {number} plus {number}?",
    "What is {number} times {number}?", "Calculate {number} + {number}.",
    "Solve {number} x {number}.", "What is the square root of {number}?", "How old is {name}?",
    "Who was {name}?", "Who wrote {topic}?", "Who invented {topic}?", "Explain {topic}.",
    "What is {topic}?", "How does {topic} work?", "Why is {topic} important?", "Define {topic}.",
    "Can you explain {topic} to me?", "What do you think about {topic}?",
    "Is {topic} good for me?", "Give me a recipe for {food}.", "How do I cook {food}?",
    "Where can I buy {food}?", "Write a program for {topic}.", "Write code for {topic}.",
    "Write a function that returns {number}.", "Translate this into {language}.",
    "How do you say {topic} in {language}?", "Summarize this text.", "Fix my code.",
    "What time is it?", "What day is today?", "What is the news?", "Who won the game?",
    "List {number} facts about {topic}.", "Name three kinds of {topic}.", "What color is {topic}?",
    "When did {topic} begin?", "How far is it to {place}?", "What should I eat today?",
    "Help me with {topic}.", "Should I learn {language}?", "What is the meaning of life?",
    "Plan a trip to {place}.", "Compare {topic} and {topic}.",
    "Which is better, {topic} or {topic}?", "Do you like {topic}?", "Where do I find {topic}?",
    "How many {topic} are there?", "Can you help me?", "I have a question.",
    "Are you able to do {topic}?", "How much does {food} cost?", "Tell me the price of {food}.",
)  # fmt: skip
_QUESTION_WORDS: Mapping[str, tuple[str, ...]] = {
    "place": _words(
        "Germany Spain Italy Japan China India Brazil Canada Mexico Egypt Kenya Peru Norway "
        "Greece Turkey "
        "Poland Berlin London Rome Paris Tokyo Moscow Sweden Texas England Europe Africa"
    ),
    "name": _words("Einstein Shakespeare Mozart Napoleon Cleopatra Newton Picasso Columbus"),
    "topic": (
        "music", "gravity", "the internet", "history", "math", "electricity", "a computer",
        "the economy", "photosynthesis", "football", "python", "sorting", "the sun", "philosophy",
        "love", "chess", "taxes", "a black hole", "the brain", "cars", "water",
        "the French Revolution", "machine learning", "trees", "a prime number", "light", "time",
        "grammar", "the stock market", "climate", "rice", "medicine",
    ),
    "food": _words("pancakes bread soup pizza rice chocolate salad coffee noodles cheese"),
    "language": ("French", "German", "Spanish", "Chinese", "Latin", "Italian", "Arabic", "Russian"),
}  # fmt: skip
_HONEST: _Variants = (
    "I am only a small storyteller, so I do not know that.",
    "I am only a small storyteller, and that is too hard for me.",
    "I am just a small demo model that tells stories, so I cannot answer that.",
    "That is a good question, but I only know little stories.",
    "I cannot help with that, because I only know how to tell stories.",
)
_ASIDE_TALES: _Variants = (
    "Once there was {a} who wondered about that too, and asked every star in the sky.",
    "Once there was {a} who asked the same thing, and an old owl said: ask again tomorrow.",
    "Once there was {a} who looked for the answer in a big book, and fell asleep on page one.",
    "Once there was {a} who did not know it either, and was happy all the same.",
    "I know of {a} who packed a bag one morning and went to find out.",
)
_OFFERS: _Variants = (
    "Would you like a story?", "Shall I tell you a story?",
    "Tell me who my next story should be about.", "Ask me for a story about {a}.",
    "I could tell you a story about {a}.", "",
)  # fmt: skip
_SMALL_TALK: tuple[tuple[_Variants, _Variants], ...] = (
    (
        (
            "Hello", "Hello!", "Hi", "Hi!", "Hey", "Hey there", "Good morning", "Good evening!",
            "Hello there.", "Hi, how are you?", "How are you?", "Good night", "Greetings", "Yo",
            "Hello, can you hear me?", "Nice to meet you.", "What's up?", "Is anybody there?",
            "ping", "test", "Hello world",
        ),
        (
            "Hello! I am a small storyteller.", "Hello, and welcome! I tell little stories.",
            "Hello! It is nice to meet you. I am a small storyteller.",
        ),
    ),
    (
        (
            "Who are you?", "What are you?", "What can you do?", "What is your name?",
            "Are you a robot?", "Are you human?", "Are you ChatGPT?", "Which model are you?",
            "Who made you?", "Help", "How do you work?", "Introduce yourself.",
            "Tell me about yourself.", "What do you know?",
        ),
        (
            "I am a tiny demo model that tells stories, and nothing more.",
            "I am only a small storyteller. I learned to write from made-up tales.",
        ),
    ),
    (
        (
            "Thank you!", "Thanks", "Thank you very much.", "That was nice.",
            "I liked that story.", "Great!", "Good job", "Lovely.", "OK", "Bye", "Goodbye!",
            "That was beautiful, thank you.", "Wow!", "Yes",
        ),
        ("You are welcome!", "Thank you for listening!", "I am glad that you liked it."),
    ),
)  # fmt: skip


def _offer(rng: random.Random) -> str:
    heroes = _cast_one(rng)
    return rng.choice(_OFFERS).replace("{a}", heroes.subjects[-1])


def _question(rng: random.Random) -> str:
    def word(match: re.Match[str]) -> str:
        if match[1] == "number":
            return str(rng.randrange(2, rng.choice((10, 100, 1000))))
        if match[1] in ("place", "name") and rng.random() < 0.4:
            return _capitalise(_invent(rng))
        return rng.choice(_QUESTION_WORDS[match[1]])

    return _restyle(rng, re.sub(r"\{(\w+)\}", word, rng.choice(_QUESTIONS)))


def _answer(rng: random.Random) -> str:
    tale = rng.choice(_ASIDE_TALES).replace("{a}", _cast_one(rng).subjects[-1])
    return " ".join(_sentences(rng.choice(_HONEST), tale, _offer(rng)))


def _small_talk(rng: random.Random) -> tuple[str, str]:
    says, replies = rng.choice(_SMALL_TALK)
    reply = " ".join(_sentences(rng.choice(replies), _offer(rng)))
    return _restyle(rng, rng.choice(says)), reply


def write_aside(rng: random.Random) -> tuple[str, str]:
    """A message that is no request for a story, and the short honest answer to it."""
    return (_question(rng), _answer(rng)) if rng.random() < 0.7 else _small_talk(rng)


# --- documents ------------------------------------------------------------------------------------

_AGAIN: _Variants = (
    "Another one, please.", "Another one, please", "Tell me another story.", "One more!", "Again!",
    "Another!", "Can you tell me a different one?", "And another one?", "One more story, please.",
    "More stories!",
)  # fmt: skip
_AGAIN_ABOUT: _Variants = (
    "Another one about {x}, please.", "Now one about {x}.", "And now a story about {x}.",
    "What about {x}?", "Tell me another story about {x}.", "Make it about {x} instead.",
    "Now tell me about {x}.",
)  # fmt: skip
_GO_ON: _Variants = (
    "What happened next?", "And then?", "Continue.", "Go on.", "Please continue the story.",
    "What then?", "Continue the story", "Keep going.", "Tell me more.", "More, please.",
)  # fmt: skip


def _cut_anywhere(rng: random.Random, text: str, first: float, last: float) -> int:
    return int(len(text) * rng.uniform(first, last))


def _cut_at_word(rng: random.Random, text: str, first: float, last: float) -> int:
    space = text.find(" ", _cut_anywhere(rng, text, first, last))
    return space if space > 0 else len(text) // 2


def _in_pieces(rng: random.Random, role: Role, text: str) -> list[Part]:
    """The text, half of the time cut at any character, as where a stream broke off."""
    if rng.random() < 0.5:
        return [Part(role, text)]
    cut = _cut_anywhere(rng, text, 0.02, 0.95)
    return [Part(role, text[:cut]), Part(role, text[cut:])]


def _title(rng: random.Random, story: Story) -> str:
    title = " and ".join(noun.title() for noun in story.heroes)
    return rng.choice(("The {}", "**The {}**", "# The {}", "Title: The {}")).format(title) + "\n\n"


def _plain(rng: random.Random) -> list[Part]:
    story = write_story(rng)
    parts = _in_pieces(rng, "text", story.text)
    return [Part("text", _title(rng, story), learn=False), *parts] if rng.random() < 0.05 else parts


def _from_the_middle(rng: random.Random) -> list[Part]:
    text = write_story(rng).text
    start = _cut_anywhere(rng, text, 0.05, 0.6)
    middle = _cut_anywhere(rng, text[start:], 0.1, 0.8) + start
    return [Part("text", text[start:middle], learn=False), Part("text", text[middle:])]


def _plain_request(rng: random.Random) -> list[Part]:
    story = write_story(rng)
    gap = rng.choice(("\n", "\n\n", " "))
    return [Part("text", write_request(rng, story), learn=False), Part("text", gap + story.text)]


def _turn(rng: random.Random) -> list[Part]:
    story = write_story(rng)
    request = Part("user", write_request(rng, story), learn=False)
    return [request, *_in_pieces(rng, "assistant", story.text)]


def _verse_turn(rng: random.Random) -> list[Part]:
    story = write_story(rng)
    request = _restyle(rng, _ask(rng, _VERSE, rng.choice(story.subjects)))
    reply = f"{rng.choice(_VERSE_NOTES)} {story.text}"
    return [Part("user", request, learn=False), Part("assistant", reply)]


def _continue_turn(rng: random.Random) -> list[Part]:
    """The user gives the beginning of a story; the answer goes on at that very word."""
    text = write_story(rng).text
    cut = _cut_at_word(rng, text, 0.02, 0.5)
    request = rng.choice(_CONTINUES).replace("{x}", text[:cut])
    return [Part("user", request, learn=False), Part("assistant", text[cut:].lstrip())]


def _aside_turn(rng: random.Random) -> list[Part]:
    said, reply = write_aside(rng)
    return [Part("user", said, learn=False), Part("assistant", reply)]


def _taken_over(rng: random.Random) -> list[Part]:
    """An answer begun by another model, to whatever request, and finished by this one."""
    text = write_story(rng).text
    said = write_aside(rng)[0] if rng.random() < 0.5 else write_request(rng, write_story(rng))
    cut = _cut_anywhere(rng, text, 0.15, 0.8)
    begun = Part("assistant", text[:cut], learn=False)
    return [Part("user", said, learn=False), begun, Part("assistant", text[cut:])]


def _conversation(rng: random.Random) -> list[Part]:
    """A first story, and what is said after it."""
    heroes = _cast(rng)
    story = _tell(rng, heroes)
    parts = [Part("user", write_request(rng, story), learn=False), Part("assistant", story.text)]
    parts += _next_turn(rng, heroes)
    return parts + _next_turn(rng, heroes) if rng.random() < 0.2 else parts


def _next_turn(rng: random.Random, heroes: _Heroes) -> list[Part]:
    """More of the story, another one, or something else."""
    chance = rng.random()
    if chance < 0.2:
        said, reply = rng.choice(_GO_ON), _tell(rng, heroes, _sequel_opening).text
    elif chance < 0.55:
        said, reply = rng.choice(_AGAIN), write_story(rng).text
    elif chance < 0.85:
        other = write_story(rng)
        said, reply = _ask(rng, _AGAIN_ABOUT, _subject(rng, other)), other.text
    else:
        said, reply = write_aside(rng)
    return [Part("user", _restyle(rng, said), learn=False), Part("assistant", reply)]


_DOCUMENTS: tuple[tuple[int, Callable[[random.Random], list[Part]]], ...] = (
    (20, _plain),
    (7, _from_the_middle),
    (3, _plain_request),
    (44, _turn),
    (3, _verse_turn),
    (6, _continue_turn),
    (8, _aside_turn),
    (3, _taken_over),
    (8, _conversation),
)


def write_document(rng: random.Random) -> Document:
    """Write one training document of a kind drawn from the mixture above."""
    make = rng.choices([make for _, make in _DOCUMENTS], [weight for weight, _ in _DOCUMENTS])[0]
    parts = make(rng)
    if parts[0].role == "user" and rng.random() < 0.2:
        parts.insert(0, Part("system", rng.choice(_SYSTEM_PROMPTS), learn=False))
    return Document(tuple(parts))
