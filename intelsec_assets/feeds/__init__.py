"""Feeds: which exist, how their bytes are fetched and kept, what each wire format says, and how healthy a feed was.

What the rows mean once read (canonical form, deduplication, scores) belongs to `intelsec_assets.indicators`.
"""
