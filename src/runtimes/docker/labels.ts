/** Everything that a run makes in Docker carries its id under this label: `recover` finds it so. */
export const RUN_LABEL = 'stillpoint.run';
