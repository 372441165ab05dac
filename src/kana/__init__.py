"""Kana: may this user use this feature now, and what has been used."""
