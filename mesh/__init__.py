"""Engine, models, workers, and the `rostra` command.

What others begin with: `rostra.mesh.cli.main.main`, the command;
`rostra.mesh.worker.server.Worker`, a worker in this process;
`rostra.mesh.engine.build.build_engine`, an engine without a server;
`rostra.mesh.models.loader.load_model`; `rostra.mesh.store.store.resolve`, from a name to a folder.

No other room imports this one: they speak to it over the wire. Inside, each folder imports those
below it: `cli`; `launch` and `worker`; `supervisor` and `distributed`; `embedding`; `engine`;
`adapters` and `parsers`; `models` and `grammar`; `store`; `ops` and `text`. The engine's settings
and messages, which need no torch, are everybody's.
"""
