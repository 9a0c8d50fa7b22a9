import { StillpointError } from './errors.ts';

/** Where a source is, by the grammar of the command line: see docs/references.md. */
export type Ref =
  | {
      readonly kind: 'url';
      readonly scheme: Scheme;
      readonly host: string;
      readonly port: number;
      readonly user?: string;
      readonly database?: string;
    }
  | {
      readonly kind: 'docker';
      readonly name: string;
      /** Which of several servers in it. */
      readonly port?: number;
      readonly database?: string;
    }
  | { readonly kind: 'docker-label'; readonly label: string; readonly value: string; readonly database?: string }
  | {
      readonly kind: 'compose';
      readonly project: string;
      readonly service: string;
      readonly port?: number;
      readonly database?: string;
    }
  | {
      readonly kind: 'k8s-owner';
      readonly namespace: string;
      readonly owner: string;
      readonly name: string;
      readonly database?: string;
    }
  | {
      readonly kind: 'k8s-pod';
      readonly namespace: string;
      readonly pod: string;
      readonly container?: string;
      readonly database?: string;
    }
  | {
      readonly kind: 'k8s-selector';
      readonly namespace: string;
      readonly selector: string;
      readonly database?: string;
    };

/** The schemes of servers reached by URL, with their standard ports. */
export const SCHEMES = { postgres: 5432, mysql: 3306, mariadb: 3306, mongodb: 27017, redis: 6379 } as const;
export type Scheme = keyof typeof SCHEMES;

const isScheme = (text: string): text is Scheme => Object.hasOwn(SCHEMES, text);

const invalid = (text: string, why: string): StillpointError =>
  new StillpointError('ref-invalid', `'${text}' is not a reference: ${why}.`);

/** Reads a reference. Throws `ref-invalid`; a password in a URL is refused, because command lines are public. */
export function parseRef(text: string): Ref {
  const hash = text.indexOf('#');
  const body = hash < 0 ? text : text.slice(0, hash);
  const database = hash < 0 ? undefined : text.slice(hash + 1);
  if (database === '') throw invalid(text, 'the name of the database after # is missing');
  const one = database === undefined ? {} : { database };
  if (body.includes('://')) return { ...parseUrl(text, body), ...one };
  const colon = body.indexOf(':');
  const kind = body.slice(0, colon);
  const rest = body.slice(colon + 1);
  if (colon < 0 || rest === '')
    throw invalid(text, 'write docker:NAME, compose:PROJECT/SERVICE, k8s:NS/POD or postgres://host:5432');
  switch (kind) {
    case 'docker': {
      if (!rest.startsWith('?')) {
        const [name, port] = splitPort(text, rest);
        return { kind: 'docker', name, ...port, ...one };
      }
      const [label, ...value] = rest.slice(1).split('=');
      if (!label || value.length === 0) throw invalid(text, 'write docker:?LABEL=VALUE');
      return { kind: 'docker-label', label, value: value.join('='), ...one };
    }
    case 'compose': {
      const [names, port] = splitPort(text, rest);
      const [project, service, ...more] = names.split('/');
      if (!project || !service || more.length > 0) throw invalid(text, 'write compose:PROJECT/SERVICE');
      return { kind: 'compose', project, service, ...port, ...one };
    }
    case 'k8s':
      return { ...parseK8s(text, rest), ...one };
    default:
      throw invalid(text, `'${kind}' is none of docker, compose, k8s, ${Object.keys(SCHEMES).join(', ')}`);
  }
}

/** `NAME:5433`: a container's name has no colon. */
function splitPort(text: string, rest: string): [string, { port?: number }] {
  const [name = '', port, ...more] = rest.split(':');
  if (port === undefined) return [name, {}];
  if (name === '' || more.length > 0 || !/^[1-9]\d{0,4}$/.test(port) || Number(port) > 65_535)
    throw invalid(text, 'after the container comes a port at most: docker:NAME:5433');
  return [name, { port: Number(port) }];
}

function parseUrl(text: string, body: string): Ref {
  let url: URL;
  try {
    url = new URL(body);
  } catch (cause) {
    throw new StillpointError('ref-invalid', `'${text}' is not a reference: it is not a URL.`, { cause });
  }
  const scheme = url.protocol === 'postgresql:' ? 'postgres' : url.protocol.slice(0, -1);
  if (!isScheme(scheme)) throw invalid(text, `'${scheme}' is none of ${Object.keys(SCHEMES).join(', ')}`);
  if (url.password !== '') {
    throw new StillpointError('ref-password', `The reference ${scheme}://${url.host} carries a password.`);
  }
  if (url.pathname.length > 1) throw invalid(text, `name one database with #${url.pathname.slice(1)}`);
  const host = url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname;
  if (host === '') throw invalid(text, 'the host is missing');
  const user = url.username === '' ? {} : { user: decodeURIComponent(url.username) };
  return { kind: 'url', scheme, host, port: url.port === '' ? SCHEMES[scheme] : Number(url.port), ...user };
}

function parseK8s(text: string, rest: string): Ref {
  const question = rest.indexOf('?');
  if (question > 0 && question < rest.length - 1) {
    return { kind: 'k8s-selector', namespace: rest.slice(0, question), selector: rest.slice(question + 1) };
  }
  const [namespace, first, second, ...more] = rest.split('/');
  if (!namespace || !first || more.length > 0 || second === '')
    throw invalid(text, 'write k8s:NS/POD, k8s:NS/sts/NAME or k8s:NS?SELECTOR');
  if (second !== undefined && ['sts', 'deploy', 'rs'].includes(first))
    return { kind: 'k8s-owner', namespace, owner: first, name: second };
  return { kind: 'k8s-pod', namespace, pod: first, ...(second === undefined ? {} : { container: second }) };
}

/** The reference as a user would type it; `parseRef` reads it back unchanged. */
export function formatRef(ref: Ref): string {
  const database = ref.database === undefined ? '' : `#${ref.database}`;
  const port = 'port' in ref && ref.port !== undefined ? `:${ref.port}` : '';
  switch (ref.kind) {
    case 'url': {
      const user = ref.user === undefined ? '' : `${encodeURIComponent(ref.user)}@`;
      return `${ref.scheme}://${user}${ref.host.includes(':') ? `[${ref.host}]` : ref.host}:${ref.port}${database}`;
    }
    case 'docker':
      return `docker:${ref.name}${port}${database}`;
    case 'docker-label':
      return `docker:?${ref.label}=${ref.value}${database}`;
    case 'compose':
      return `compose:${ref.project}/${ref.service}${port}${database}`;
    case 'k8s-owner':
      return `k8s:${ref.namespace}/${ref.owner}/${ref.name}${database}`;
    case 'k8s-pod':
      return `k8s:${ref.namespace}/${ref.pod}${ref.container === undefined ? '' : `/${ref.container}`}${database}`;
    case 'k8s-selector':
      return `k8s:${ref.namespace}?${ref.selector}${database}`;
  }
}

/** The name that a source gets when the configuration gives it none: safe as a file name. */
export function nameOfRef(ref: Ref): string {
  const text =
    ref.kind === 'url'
      ? `${ref.scheme}-${ref.host}-${ref.port}`
      : ref.kind === 'docker'
        ? ref.name
        : ref.kind === 'docker-label'
          ? ref.value
          : ref.kind === 'compose'
            ? ref.service
            : ref.kind === 'k8s-owner'
              ? ref.name
              : ref.kind === 'k8s-pod'
                ? ref.pod
                : ref.selector;
  const port = ref.kind !== 'url' && 'port' in ref && ref.port !== undefined ? `-${ref.port}` : '';
  return `${text}${port}${ref.database === undefined ? '' : `-${ref.database}`}`
    .replaceAll(/[^A-Za-z0-9._-]+/g, '-')
    .replaceAll(/^[-.]+|-+$/g, '');
}
