"""The data-locality scheduler: places each pod where its data lies or can be had soonest."""
