"""The media layer: sound files, speech and recordings as telephony sound, over HTTP (docs/protocols/media.md).

A process of its own. The router and the voice nodes give it URLs and get 8 kHz mu-law back: fetched under the address
guard, converted, cached as the origin allows, apart for each account.
"""
