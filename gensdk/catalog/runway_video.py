"""Runway's endpoints for videos, model by model.

Source: ``runwayml`` 5.24, ``types/{text,image,video}_to_video_create_params.py``. Read 2026-11-21.

Rule of the room: dated, cited facts and nothing else.
"""

from __future__ import annotations

from .runway_row import TaskRow, task_row

__all__ = ["IMAGE_TO_VIDEO", "TEXT_TO_VIDEO", "VIDEO_TO_VIDEO"]

_HD = "1280:720 720:1280"
_VEO = "1280:720 720:1280 1080:1920 1920:1080"
_KLING_4K = "3840:2160 2160:3840 2880:2880"
_HAILUO = "adaptive 21:9 16:9 4:3 1:1 3:4 9:16"
_HAPPYHORSE = (
    "1280:720 720:1280 960:960 1108:832 832:1108 1920:1080 1080:1920 1440:1440 1662:1248 1248:1662"
)
_KLING_2_5 = "1920:1080 1440:1440 1080:1920 1280:720 720:720 720:1280"
_KLING_PRO = "1920:1080 1080:1920 1440:1440"
_KLING_STANDARD = "1280:720 720:1280 960:960"
_SEEDANCE_2 = (
    "992:432 864:496 752:560 640:640 560:752 496:864 1470:630 1280:720 1112:834 960:960 834:1112 "
    "720:1280 2206:946 1920:1080 1664:1248 1440:1440 1248:1664 1080:1920 3840:1646 3840:2160 "
    "3840:2880 3840:3840 2880:3840 2160:3840"
)
_SEEDANCE_2_FAST = (
    "992:432 864:496 752:560 640:640 560:752 496:864 1470:630 1280:720 1112:834 960:960 834:1112 "
    "720:1280"
)
_GROK = "1:1 16:9 9:16 4:3 3:4 3:2 2:3"
_WAN = (
    "832:480 720:544 624:624 544:720 480:832 1280:720 1104:832 960:960 832:1104 720:1280 "
    "1920:1080 1648:1248 1440:1440 1248:1648 1080:1920 auto_480p auto_720p auto_1080p"
)
_OMNI_1_1 = "640:360 360:640 1280:720 720:1280 1920:1080 1080:1920 3840:2160 2160:3840"
_SEEDANCE_2_5 = (
    "992:432 854:480 752:560 640:640 560:752 480:854 1470:630 1280:720 1112:834 960:960 834:1112 "
    "720:1280 2206:946 1920:1080 1664:1248 1440:1440 1248:1664 1080:1920"
)
_GROK_LITE = (
    "848:480 480:848 480:480 640:480 480:640 720:480 480:720 1280:720 720:1280 720:720 960:720 "
    "720:960 1088:720 720:1088 1904:1072 1072:1904 1424:1424 1648:1232 1232:1648 1744:1152 "
    "1152:1744"
)
_KLING_4 = (
    "1280:720 720:1280 940:940 1460:624 1920:1080 1080:1920 1440:1440 2200:940 auto_720p auto_1080p"
)
_GEN_4 = "1280:720 720:1280 1104:832 960:960 832:1104 1584:672"
_KLING_4_FRAMES = "auto_720p auto_1080p"

TEXT_TO_VIDEO: tuple[TaskRow, ...] = (
    task_row("text_to_video", "gen4.5",
             "contentModeration duration outputFormat proresProfile seed", ratios=_HD,
             ratio_needed=True, durations=range(2, 11), duration_needed=True),
    task_row("text_to_video", "veo3.1 veo3.1_fast", "audio duration negativePrompt seed",
             ratios=_VEO, ratio_needed=True, durations=(4, 6, 8)),
    task_row("text_to_video", "klingO3_4k", "audio duration providerSettings", ratios=_KLING_4K,
             ratio_needed=True),
    task_row("text_to_video", "hailuo3",
             "duration referenceAudio referenceVideos references resolution", ratios=_HAILUO,
             resolutions="768p 2k", pictures=9),
    task_row("text_to_video", "kling3.0_4k", "audio cfgScale duration providerSettings",
             ratios=_KLING_4K, ratio_needed=True),
    task_row("text_to_video", "happyhorse_1_0", "duration", ratios=_HAPPYHORSE),
    task_row("text_to_video", "kling2.5_turbo_pro", "cfgScale duration", ratios=_KLING_2_5,
             durations=(5, 10)),
    task_row("text_to_video", "kling3.0_pro", "audio cfgScale duration providerSettings",
             ratios=_KLING_PRO, ratio_needed=True),
    task_row("text_to_video", "kling3.0_standard", "audio cfgScale duration providerSettings",
             ratios=_KLING_STANDARD, ratio_needed=True),
    task_row("text_to_video", "klingO3_pro", "audio duration providerSettings", ratios=_KLING_PRO,
             ratio_needed=True),
    task_row("text_to_video", "klingO3_standard", "audio duration providerSettings",
             ratios=_KLING_STANDARD, ratio_needed=True),
    task_row("text_to_video", "seedance2",
             "audio duration referenceAudio referenceVideos references seed", ratios=_SEEDANCE_2,
             pictures=9),
    task_row("text_to_video", "seedance2_fast seedance2_mini",
             "audio duration referenceAudio referenceVideos references seed",
             ratios=_SEEDANCE_2_FAST, pictures=9),
    task_row("text_to_video", "gemini_omni_flash", "duration", ratios=_HD, durations=range(3, 11)),
    task_row("text_to_video", "grok_imagine_1_5", "duration referenceAudio references resolution",
             ratios=_GROK, resolutions="480p 720p 1080p"),
    task_row("text_to_video", "wan3 wan3_prime",
             "audio duration referenceAudio referenceVideos references", ratios=_WAN, pictures=10),
    task_row("text_to_video", "gemini_omni_flash_1.1", "duration referenceVideos references",
             ratios=_OMNI_1_1, durations=range(3, 11)),
    task_row("text_to_video", "h3_max", "duration promptExpansionMode resolution seed",
             resolutions="480p 768p"),
    task_row("text_to_video", "seedance2_5",
             "audio draft draftTaskId duration outputFormat referenceAudio referenceVideos "
             "references seed", formats="mp4 mov",
             ratios=_SEEDANCE_2_5, pictures=30),
    task_row("text_to_video", "grok_imagine_1_5_lite", "duration", ratios=_GROK_LITE),
    task_row("text_to_video", "kling_4", "duration referenceVideos references", ratios=_KLING_4,
             pictures=10),
)  # fmt: skip

IMAGE_TO_VIDEO: tuple[TaskRow, ...] = (
    task_row("image_to_video", "gen4.5",
             "contentModeration duration outputFormat proresProfile seed", ratios=_GEN_4,
             ratio_needed=True, durations=range(2, 11), duration_needed=True),
    task_row("image_to_video", "gen4_turbo", "contentModeration duration seed", ratios=_GEN_4,
             ratio_needed=True),
    task_row("image_to_video", "veo3.1 veo3.1_fast", "audio duration negativePrompt seed",
             ratios=_VEO, ratio_needed=True, durations=(4, 6, 8), last_frame=True),
    task_row("image_to_video", "klingO3_4k", "audio duration providerSettings references",
             ratios=_KLING_4K, last_frame=True, pictures=7),
    task_row("image_to_video", "hailuo3", "duration referenceAudio resolution", ratios=_HAILUO,
             resolutions="768p 2k", last_frame=True),
    task_row("image_to_video", "kling3.0_4k", "audio cfgScale duration providerSettings",
             ratios=_KLING_4K, last_frame=True),
    task_row("image_to_video", "happyhorse_1_0", "duration resolution", resolutions="720p 1080p"),
    task_row("image_to_video", "kling2.5_turbo_pro", "cfgScale duration", durations=(5, 10),
             last_frame=True),
    task_row("image_to_video", "kling3.0_pro", "audio cfgScale duration providerSettings",
             ratios=_KLING_PRO, last_frame=True),
    task_row("image_to_video", "kling3.0_standard", "audio cfgScale duration providerSettings",
             ratios=_KLING_STANDARD, last_frame=True),
    task_row("image_to_video", "klingO3_pro", "audio duration providerSettings references",
             ratios=_KLING_PRO, last_frame=True, pictures=7),
    task_row("image_to_video", "klingO3_standard", "audio duration providerSettings references",
             ratios=_KLING_STANDARD, last_frame=True, pictures=7),
    task_row("image_to_video", "seedance2", "audio duration referenceAudio seed",
             ratios=_SEEDANCE_2, last_frame=True),
    task_row("image_to_video", "seedance2_fast seedance2_mini",
             "audio duration referenceAudio seed", ratios=_SEEDANCE_2_FAST, last_frame=True),
    task_row("image_to_video", "gemini_omni_flash", "duration", ratios=_HD,
             durations=range(3, 11)),
    task_row("image_to_video", "grok_imagine_1_5", "duration resolution",
             resolutions="480p 720p 1080p"),
    task_row("image_to_video", "wan3 wan3_prime", "audio duration referenceAudio referenceVideos",
             ratios=_WAN, last_frame=True),
    task_row("image_to_video", "gemini_omni_flash_1.1", "duration", ratios=_OMNI_1_1,
             durations=range(3, 11), last_frame=True),
    task_row("image_to_video", "h3_max", "duration promptExpansionMode resolution seed",
             resolutions="480p 768p", last_frame=True),
    task_row("image_to_video", "seedance2_5",
             "audio draft duration outputFormat referenceAudio seed", formats="mp4 mov",
             ratios=_SEEDANCE_2_5,
             last_frame=True),
    task_row("image_to_video", "grok_imagine_1_5_lite", "duration",
             ratios="auto_480p auto_720p auto_1080p"),
    task_row("image_to_video", "kling_4", "duration referenceVideos references",
             ratios=_KLING_4_FRAMES, last_frame=True, pictures=10),
)  # fmt: skip

VIDEO_TO_VIDEO: tuple[TaskRow, ...] = (
    task_row("video_to_video", "aleph2",
             "contentModeration keyframes outputFormat proresProfile seed targetAspectRatio",
             video_field="videoUri"),
    task_row("video_to_video", "klingO3_4k klingO3_pro klingO3_standard",
             "providerSettings references", video_field="promptVideo", pictures=4),
    task_row("video_to_video", "hailuo3",
             "duration referenceAudio referenceVideos references resolution", ratios=_HAILUO,
             resolutions="768p 2k", video_field="promptVideo", pictures=9),
    task_row("video_to_video", "seedance2",
             "audio duration referenceAudio referenceVideos references seed", ratios=_SEEDANCE_2,
             video_field="promptVideo", pictures=9),
    task_row("video_to_video", "seedance2_fast seedance2_mini",
             "audio duration referenceAudio referenceVideos references seed",
             ratios=_SEEDANCE_2_FAST, video_field="promptVideo", pictures=9),
    task_row("video_to_video", "gemini_omni_flash", "references", video_field="videoUri"),
    task_row("video_to_video", "gemini_omni_flash_1.1", "duration mode references",
             ratios=_OMNI_1_1, durations=range(3, 11), video_field="videoUri"),
    task_row("video_to_video", "seedance2_5",
             "audio draft duration mode outputFormat referenceAudio referenceVideos references "
             "seed", formats="mp4 mov",
             ratios=_SEEDANCE_2_5, video_field="promptVideo", pictures=30),
    task_row("video_to_video", "kling_4", "references", ratios=_KLING_4_FRAMES,
             video_field="videoUri"),
)  # fmt: skip
