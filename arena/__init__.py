"""People judge two answers blind; Rostra says how sure it is of who is better.

What others begin with: `rostra.arena.app.serve`, an arena until a signal;
`rostra.arena.settings.ArenaSettings`; `rostra.arena.votes.store.VoteStore`, battles and votes;
`rostra.arena.publishing.publish`, from a posterior to the files that pages show;
`rostra.arena.errors.ArenaError`, what all of it raises. `rostra.arena.ratings` is for everybody,
and its names stay.

Imports no other room: the gateway is called over HTTP. The command line imports it, and training
reads its votes. `rostra.arena.pages` is imported by `rostra.arena.app` alone.
"""
