import { type Pack, pack } from 'tar-stream';

/**
 * A tar to be filled. When it is destroyed while an entry is being written, tar-stream destroys that, too, with the same
 * error, and where nobody listens to the entry this ends the process: the tar itself and the entry's callback tell it.
 */
export function newTar(options?: { readonly highWaterMark: number }): Pack {
  const tar = pack(options);
  tar.entry = new Proxy(tar.entry, {
    apply(entry, self, given) {
      const sink: ReturnType<Pack['entry']> = Reflect.apply(entry, self, given);
      sink.on('error', () => undefined);
      return sink;
    },
  });
  return tar;
}
