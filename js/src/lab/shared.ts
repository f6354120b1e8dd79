/**
 * The modules that JupyterLab shares with its extensions: module federation's share scope.
 *
 * A bundler's own code for this refuses to load the whole extension when one module is missing. Here a
 * missing module is `null`, so that each front end (JupyterLab, Notebook, Voila) gets what it has a place for.
 */
type Factory = () => unknown;

interface Offer {
  get: () => Factory | Promise<Factory>;
  loaded?: number | boolean;
}

/** Module name -> version -> who offers it. */
export type ShareScope = Record<string, Record<string, Offer>>;

export class SharedModules {
  constructor(private readonly scope: ShareScope) {}

  /** The module of that name, the copy in use where there is one, else the newest; `null` where none is offered. */
  async load<T>(name: string): Promise<T | null> {
    const versions = Object.entries(this.scope[name] ?? {});
    if (!versions.length) return null;
    versions.sort(([a, first], [b, second]) => Number(!!second.loaded) - Number(!!first.loaded) || compareVersions(b, a));
    const offer = versions[0][1];
    offer.loaded = 1; // from now on no other copy may take its place: tokens are compared by identity
    return (await offer.get())() as T;
  }
}

/** Negative when version `a` is the older; a pre-release is older than its release. */
export function compareVersions(a: string, b: string): number {
  const parse = (version: string) => {
    const [numbers, ...pre] = version.split('+')[0].split('-');
    return { numbers: numbers.split('.').map(Number), pre: pre.join('-') };
  };
  const [first, second] = [parse(a), parse(b)];
  for (let i = 0; i < 3; i++) {
    const difference = (first.numbers[i] || 0) - (second.numbers[i] || 0);
    if (difference) return difference;
  }
  if (!first.pre || !second.pre) return Number(!first.pre) - Number(!second.pre);
  return first.pre < second.pre ? -1 : Number(first.pre > second.pre);
}
