"""Intents: wishes about consumption, followed continuously and where allowed carried out."""
