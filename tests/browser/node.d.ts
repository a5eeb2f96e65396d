// The few parts of Node that these tests use, so that the type check needs no package for them.
declare module "node:*";
declare const process: { env: Record<string, string | undefined>; argv: string[]; pid: number; platform: string; getuid?(): number };
declare const Buffer: any;
type Buffer = any;
