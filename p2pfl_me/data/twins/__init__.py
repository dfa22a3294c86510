"""Synthetic twins: the folders and the spreadsheet of a published data set, with drawn faces and its known quirks.

Everything runs on a twin before the agreement is signed; nothing in it is anybody's face.
"""
