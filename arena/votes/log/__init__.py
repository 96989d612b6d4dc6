"""The log of votes: a chain of hashes that nobody can change quietly, and signatures under it.

What it proves. Each entry's hash covers the entry and, through the hash before it, every entry
before it, so whoever holds a later hash holds a commitment to all of them: a vote that is changed,
dropped, inserted or moved breaks the chain at that place.

What it cannot prove by itself. Whoever can write to the database can cut entries off the end, or
write the whole chain anew from any place on: what is left is a chain without a fault. Only a
checkpoint held elsewhere (printed, published, in another's hands) shows that; its signature tells
who vouched for it. Nothing here proves that a vote was cast by a person.
"""
