"""Error codes of the runtime and what each one means; `cmt_dsl.errors.CODES` holds the compiler's."""

RUNTIME_CODES: dict[str, str] = {
    "CMT-501": "the data source does not exist or is not laid out as expected",
    "CMT-502": "classes do not match: train against val, or the data against the model",
    "CMT-503": "an image cannot be read",
    "CMT-504": "an optional package needed by this data source is missing",
    "CMT-505": "the data set is too small for the batch",
    "CMT-506": "the data source cannot feed this model's input",
    "CMT-601": "the checkpoint does not exist or cannot be read",
    "CMT-602": "the file is not a checkpoint of this project",
    "CMT-603": "the checkpoint is damaged: truncated or altered",
    "CMT-604": "the checkpoint does not fit the model built from its own spec",
    "CMT-605": "the checkpoint was written by a newer version of this project",
    "CMT-606": "the checkpoint cannot be written",
    "CMT-701": "the requested device is not available",
    "CMT-702": "the loss is no longer a finite number",
    "CMT-703": "the output directory already holds a run",
    "CMT-704": "MindSpore is missing or does not work here",
    "CMT-705": "MindSpore failed while compiling or running the model",
    "CMT-801": "a recipe's values contradict each other or the data",
    "CMT-802": "the recipe does not exist or is not a recipe",
}
