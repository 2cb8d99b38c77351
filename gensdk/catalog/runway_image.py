"""Runway's endpoint for pictures, model by model.

Source: ``runwayml`` 5.24, ``types/text_to_image_create_params.py``. Read 2026-11-21.

Rule of the room: dated, cited facts and nothing else.
"""

from __future__ import annotations

from .runway_row import TaskRow, task_row

__all__ = ["TEXT_TO_IMAGE"]

_GEN_4_IMAGE = (
    "1024:1024 1080:1080 1168:880 1360:768 1440:1080 1080:1440 1808:768 1920:1080 1080:1920 "
    "2112:912 1280:720 720:1280 720:720 960:720 720:960 1680:720"
)
_GPT_IMAGE = (
    "2048:880 1920:1088 1920:1280 1920:1440 1920:1536 1920:1920 1536:1920 1440:1920 1280:1920 "
    "1088:1920 2912:1248 2560:1440 2560:1712 2560:1920 2560:2048 2560:2560 2048:2560 1920:2560 "
    "1712:2560 1440:2560 3840:1648 3840:2160 3504:2336 3264:2448 3200:2560 2880:2880 2560:3200 "
    "2448:3264 2336:3504 2160:3840 auto"
)
_GEMINI_3_1_FLASH = (
    "512:512 416:624 624:416 432:592 592:432 448:576 576:448 384:672 672:384 768:336 256:1024 "
    "1024:256 176:1408 1408:176 1024:1024 832:1248 1248:832 864:1184 1184:864 896:1152 1152:896 "
    "768:1344 1344:768 1536:672 512:2048 2048:512 352:2816 2816:352 2048:2048 1696:2528 2528:1696 "
    "1792:2400 2400:1792 1856:2304 2304:1856 1536:2752 2752:1536 3168:1344 1024:4096 4096:1024 "
    "704:5632 5632:704 4096:4096 3392:5056 5056:3392 3584:4800 4800:3584 3712:4608 4608:3712 "
    "3072:5504 5504:3072 6336:2688 2048:8192 8192:2048 1408:11264 11264:1408"
)
_MUSE = "2352:1008 2016:1152 1920:1280 1792:1344 1600:1600 1344:1792 1280:1920 1152:2016 auto"
_SEEDREAM_5_PRO = (
    "1024:1024 1184:896 896:1184 1376:768 768:1376 1296:864 864:1296 2048:2048 2304:1728 "
    "1728:2304 2720:1530 1530:2720 2496:1664 1664:2496 auto_1k auto_2k"
)
_SEEDREAM_5_LITE = (
    "2048:2048 2304:1728 1728:2304 2848:1600 1600:2848 2496:1664 1664:2496 3136:1344 3072:3072 "
    "3456:2592 2592:3456 4096:2304 2304:4096 3744:2496 2496:3744 4704:2016"
)
_GROK_IMAGE = (
    "1024:1024 1280:720 720:1280 1152:864 864:1152 1248:832 832:1248 1248:576 576:1248 1280:576 "
    "576:1280 1408:704 704:1408 2048:2048 2816:1584 1584:2816 2368:1776 1776:2368 2496:1664 "
    "1664:2496 2912:1344 1344:2912 3200:1440 1440:3200 2912:1456 1456:2912 auto_1k auto_2k"
)
_GEMINI_3_1_LITE = (
    "1024:1024 848:1264 1264:848 896:1200 1200:896 928:1152 1152:928 768:1376 1376:768 1584:672"
)
_GEMINI_3_PRO = (
    "1344:768 768:1344 1024:1024 1184:864 864:1184 1536:672 832:1248 1248:832 896:1152 1152:896 "
    "2048:2048 1696:2528 2528:1696 1792:2400 2400:1792 1856:2304 2304:1856 1536:2752 2752:1536 "
    "3168:1344 4096:4096 3392:5056 5056:3392 3584:4800 4800:3584 3712:4608 4608:3712 3072:5504 "
    "5504:3072 6336:2688"
)
_FIBO = (
    "1024:1024 768:1152 1152:768 768:1024 1024:768 768:960 960:768 576:1024 1024:576 2048:2048 "
    "1536:2304 2304:1536 1536:2048 2048:1536 1536:1920 1920:1536 1152:2048 2048:1152"
)
_FIBO_EDIT = "1024:1024 768:1152 1152:768 768:1024 1024:768 768:960 960:768 576:1024 1024:576 auto"
_IDEOGRAM_4 = (
    "2048:2048 2560:1440 1440:2560 2304:1728 1728:2304 2496:1664 1664:2496 3072:1280 1280:3072"
)
_IDEOGRAM_4_5 = (
    "1024:1024 1280:720 720:1280 1152:864 864:1152 1248:832 832:1248 1120:896 896:1120 1440:720 "
    "720:1440 2048:2048 2560:1440 1440:2560 2304:1728 1728:2304 2496:1664 1664:2496 2240:1792 "
    "1792:2240 2880:1440 1440:2880 1024:576 576:1024 1408:704 704:1408 auto"
)
_SEEDREAM_5_FLASH = (
    "1024:1024 1184:896 896:1184 1376:768 768:1376 1248:832 832:1248 1568:672 2048:2048 2304:1728 "
    "1728:2304 2848:1600 1600:2848 2496:1664 1664:2496 3136:1344 auto_1k auto_2k"
)
_NANO_BANANA = (
    "1024:1024 848:1264 1264:848 896:1200 1200:896 928:1152 1152:928 768:1376 1376:768 1584:672 "
    "512:2064 2064:512 352:2928 2928:352 2048:2048 1696:2528 2528:1696 1792:2400 2400:1792 "
    "1856:2304 2304:1856 1536:2752 2752:1536 3168:1344 1024:4128 4128:1024 704:5856 5856:704 "
    "4096:4096 3392:5056 5056:3392 3584:4800 4800:3584 3712:4608 4608:3712 3072:5504 5504:3072 "
    "6336:2688 2048:8256 8256:2048 1408:11712 11712:1408"
)
_RECRAFT = (
    "1024:1024 1536:768 768:1536 1280:832 832:1280 1216:896 896:1216 1152:896 896:1152 832:1344 "
    "1280:896 896:1280 1344:768 768:1344"
)
_RECRAFT_VECTOR = "1024:1024 1216:896 896:1216 1344:768 768:1344"
_GEMINI_2_5 = (
    "1344:768 768:1344 1024:1024 1184:864 864:1184 1536:672 832:1248 1248:832 896:1152 1152:896"
)

TEXT_TO_IMAGE: tuple[TaskRow, ...] = (
    task_row("text_to_image", "gen4_image_turbo gen4_image",
             "contentModeration referenceImages seed", ratios=_GEN_4_IMAGE, ratio_needed=True,
             pictures=3),
    task_row("text_to_image", "gpt_image_2", "background outputCount quality referenceImages",
             ratios=_GPT_IMAGE, ratio_needed=True, qualities="low medium high auto",
             backgrounds="transparent opaque auto", counts=range(1, 11), pictures=16),
    task_row("text_to_image", "gemini_image3.1_flash", "outputCount referenceImages",
             ratios=_GEMINI_3_1_FLASH, ratio_needed=True, counts=(1, 4), pictures=14),
    task_row("text_to_image", "muse_image", "outputCount outputFormat referenceImages",
             ratios=_MUSE, ratio_needed=True, formats="webp png jpeg", pictures=10),
    task_row("text_to_image", "seedream5_pro",
             "grounding outputCount outputFormat referenceImages", ratios=_SEEDREAM_5_PRO,
             ratio_needed=True, formats="png jpeg"),
    task_row("text_to_image", "seedream5_lite",
             "grounding outputCount outputFormat referenceImages", ratios=_SEEDREAM_5_LITE,
             ratio_needed=True, formats="png jpeg"),
    task_row("text_to_image", "grok_imagine_image_2", "edit outputCount quality referenceImages",
             ratios=_GROK_IMAGE, ratio_needed=True, qualities="low medium", pictures=3),
    task_row("text_to_image", "gemini_image3.1_flash_lite", "outputCount referenceImages",
             ratios=_GEMINI_3_1_LITE, ratio_needed=True, counts=(1, 4), pictures=14),
    task_row("text_to_image", "gemini_image3_pro", "outputCount referenceImages",
             ratios=_GEMINI_3_PRO, ratio_needed=True, counts=(1, 4), pictures=14),
    task_row("text_to_image", "gpt_image_2_5_flare",
             "background outputCount quality referenceImages", ratios=_GPT_IMAGE,
             ratio_needed=True, qualities="low medium high xhigh max", backgrounds="opaque auto",
             counts=range(1, 11), pictures=16),
    task_row("text_to_image", "gpt_image_2_5_sunburst",
             "background outputCount quality referenceImages", ratios=_GPT_IMAGE,
             ratio_needed=True, qualities="low medium high xhigh max",
             backgrounds="transparent opaque auto", counts=range(1, 11), pictures=16),
    task_row("text_to_image", "bria_fibo_1_5", "outputFormat referenceImages seed", ratios=_FIBO,
             ratio_needed=True, formats="png jpeg", pictures=1),
    task_row("text_to_image", "bria_fibo_edit_1_5", "outputFormat referenceImages seed",
             ratios=_FIBO_EDIT, formats="png jpeg", pictures=4),
    task_row("text_to_image", "ideogram_4_0", "outputCount quality referenceImages",
             ratios=_IDEOGRAM_4, qualities="low medium high", pictures=1),
    task_row("text_to_image", "ideogram_4_5",
             "maskUri outputCount preciseEdit quality referenceImages", ratios=_IDEOGRAM_4_5,
             qualities="very_low low medium high", pictures=5),
    task_row("text_to_image", "seedream5_flash", "outputCount outputFormat referenceImages",
             ratios=_SEEDREAM_5_FLASH, ratio_needed=True, formats="png jpeg"),
    task_row("text_to_image", "nano_banana_2.1", "outputCount referenceImages thinkingLevel",
             ratios=_NANO_BANANA, ratio_needed=True, pictures=14),
    task_row("text_to_image", "recraft_v4_1_flash",
             "backgroundColor colors outputCount outputFormat seed", ratios=_RECRAFT,
             ratio_needed=True, formats="webp png"),
    task_row("text_to_image", "recraft_v4_1_vector", "backgroundColor colors",
             ratios=_RECRAFT_VECTOR),
    task_row("text_to_image", "gemini_2.5_flash", "referenceImages", ratios=_GEMINI_2_5,
             ratio_needed=True, pictures=3),
)  # fmt: skip
