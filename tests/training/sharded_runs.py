"""Runs in each process of torchrun, one after the other; they share the cost of the imports."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from accelerate import PartialState
from told_share import share

from rostra.training import dpo, sft
from rostra.training.base import BaseModel
from rostra.training.run_folder import COMPLETE
from rostra.training.settings import DpoSettings, SftSettings


def telling(make: Callable[..., Any]) -> Callable[..., Any]:
    def trainer(*given: Any, **named: Any) -> Any:
        made = make(*given, **named)
        train = made.train

        def trained(*given: Any, **named: Any) -> Any:
            found = train(*given, **named)
            print(f"held {100 * share(made):.0f} % of the weights", flush=True)
            return found

        made.train = trained
        return made

    return trainer


sft.sft_trainer = telling(sft.sft_trainer)
dpo.dpo_trainer = telling(dpo.dpo_trainer)
for each in json.loads(Path(sys.argv[1]).read_text()):
    base = BaseModel("tiny", Path(each["base"]))
    resume = each["resume"]
    if resume and PartialState(cpu=True).is_main_process:
        # As a kill leaves it in the midst of the last checkpoint.
        checkpoints = Path(each["settings"]["out"], "checkpoints")
        max(checkpoints.glob(f"*-9/{COMPLETE}")).unlink()
    PartialState(cpu=True).wait_for_everyone()
    if each["recipe"] == "sft":
        sft.train_sft(SftSettings(**each["settings"]), base, print, resume=resume)
    else:
        dpo.train_dpo(DpoSettings(**each["settings"]), base, print, resume=resume)
