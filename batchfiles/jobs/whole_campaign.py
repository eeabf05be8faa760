"""Whether files are those of one campaign, each of a part: then the parts can be read one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from batchfiles.campaign.folder import Campaign, campaign_of
from batchfiles.errors import FileError
from batchfiles.io.remote.path import real_path
from batchfiles.io.sources import Source

if TYPE_CHECKING:
    from batchfiles.jobs.join.parts import CampaignPart

__all__ = ["WholeCampaign", "whole_campaign"]


class WholeCampaign(NamedTuple):
    """A campaign whose files all belong to a part.

    Attributes:
        campaign: The campaign; its folder has no symbolic link in it.
        parts: The parts, in order; the paths of their files are names in the folder.
        sources: The files by their names in the folder.
    """

    campaign: Campaign
    parts: Sequence[CampaignPart]
    sources: dict[str, Source]


def whole_campaign(files: Sequence[Source]) -> WholeCampaign | None:
    """Return the campaign of the files of a folder; None if they are not all in one, or one of them belongs to no part.

    Args:
        files: What `files_to_read` returned.

    Raises:
        DataError: The manifest is damaged, or of a later version.
        FileError: It can't be read.
    """
    folders = {file.place.parent if file.found and file.place is not None else None for file in files}
    if len(folders) != 1 or (named := folders.pop()) is None:
        return None
    folder = real_path(named)
    campaign = campaign_of(folder)
    if campaign is None:
        return None
    from batchfiles.jobs.join.parts import parts_in  # it loads all of join, and few files are a campaign

    try:
        parts, strays = parts_in(campaign, "")
    except FileError:  # a part is missing
        return None
    sources = {str(file.file_name): file for file in files}
    if strays or sources.keys() != {file.path for part in parts for file in part.files}:
        return None
    return WholeCampaign(campaign, parts, sources)
