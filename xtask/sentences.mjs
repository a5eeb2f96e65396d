// Lists the sentences and labels of the page as lines of file, line and text with tabs between: `node xtask/sentences.mjs FOLDER`, a folder with
// tsconfig.json, www/index.html and the JavaScript, TypeScript and Svelte that it names. `cargo xtask sentences` prints them.

import { readFileSync } from "node:fs";
import { relative, resolve } from "node:path";
import ts from "typescript";

const Kind = ts.SyntaxKind;

/** Two words, or a word and a placeholder, with a space between; selectors, class names and SVG paths have none or no such space. */
const SENTENCE = /[\p{L}\p{N}}][,.:;!?)"'’”%]*\s+[("'“‘]*[\p{L}\p{N}{]/u;
/** Strings that look like sentences and are styles, selectors, code or drawings. */
const NOISE = /^(rgb\(|<|\[|import \{|input, )|="|sans-serif|\}px$|^\S+ [ab]$|\}[LQ]\{/;
/** Names of properties, variables and attributes whose words are read, even one alone. */
const LABELS = /^(aria-?label|alt|label|placeholder|text|textContent|title|tooltip)$|Text$|Label$/i;
/** Calls whose strings are for programs. */
const PROGRAMS = /^(querySelector(All)?|closest|matches|matchMedia|getContext|debug|log|warn|assert)\(\)$/;
/** Properties whose strings are for programs: selectors, styles, classes, types of files. */
const SETTINGS = /^(at|className|class|cssText|font|style|accept|features|sizes|d|transform|viewBox|type)$/;

const print = (file, line, text) => {
  const plain = text.replace(/\s+/g, " ").trim();
  if (/\p{L}/u.test(plain.replace(/\{[^}]*\}/g, ""))) console.log([file, line, plain].join("\t"));
};

/** Joins what a template says with its expressions in braces. */
function textOf(node) {
  if (node.kind !== Kind.TemplateExpression) return node.text;
  return node.templateSpans.reduce((text, span) => `${text}{${span.expression.getText()}}${span.literal.text}`, node.head.text);
}

/** Finds the property, variable, attribute or call that a literal is for. */
function useOf(node) {
  let { parent } = node;
  while ([Kind.ConditionalExpression, Kind.ParenthesizedExpression, Kind.ArrayLiteralExpression].includes(parent.kind))
    parent = parent.parent;
  if (parent.kind === Kind.BinaryExpression) return parent.left.name?.text;
  if ([Kind.CallExpression, Kind.NewExpression].includes(parent.kind)) {
    const called = parent.expression.name?.text ?? parent.expression.text;
    return called === "setAttribute" ? parent.arguments[0].text : `${called}()`;
  }
  return parent.name?.text;
}

function readJs(file, source) {
  const visit = (node) => {
    const isText = [Kind.StringLiteral, Kind.NoSubstitutionTemplateLiteral, Kind.TemplateExpression].includes(node.kind);
    if (isText && ![Kind.ImportDeclaration, Kind.ExportDeclaration].includes(node.parent.kind)) {
      const text = textOf(node);
      const use = useOf(node) ?? "";
      const isRead = (SENTENCE.test(text) && !NOISE.test(text)) || (LABELS.test(use) && text !== use);
      if (isRead && !PROGRAMS.test(use) && !SETTINGS.test(use)) {
        print(file, source.text.slice(0, node.getStart(source)).split("\n").length, text);
      }
    }
    node.forEachChild(visit);
  };
  visit(source);
}

/** Elements inside a sentence. */
const INLINE = /^(a|abbr|b|br|code|em|i|kbd|small|span|strong|sub|sup|var)$/i;
const TAG = /<!--[\s\S]*?-->|<![^>]*>|<(script|style)\b[\s\S]*?<\/\1>|<\/?([\w-]+)((?:"[^"]*"|[^>"])*)>|[^<]+/gi;
const ATTRIBUTE = /\b(aria-label|title|alt|placeholder|content)="([^"]*)"/g;

function readHtml(file, html) {
  const lineAt = (index) => html.slice(0, index).split("\n").length;
  const decode = (text) =>
    text.replace(/&(amp|lt|gt|quot|nbsp|#(\d+));/g, (_, name, code) =>
      code ? String.fromCodePoint(code) : { amp: "&", lt: "<", gt: ">", quot: '"', nbsp: " " }[name],
    );
  let open = { line: 1, text: "" };
  for (const { 0: all, 2: tag, 3: attributes, index } of html.matchAll(TAG)) {
    if (all.startsWith("<")) {
      if (tag && !INLINE.test(tag)) {
        print(file, open.line, open.text);
        open = { line: 1, text: "" };
      }
      const isDescribed = tag !== "meta" || attributes.includes('name="description"');
      for (const found of isDescribed ? (attributes ?? "").matchAll(ATTRIBUTE) : [])
        print(file, lineAt(index + all.indexOf(found[0])), decode(found[2]));
    } else {
      if (!open.text.trim()) open.line = lineAt(index + all.search(/\S|$/));
      open.text += decode(all);
    }
  }
}

/** Reads a Svelte component: its scripts and the expressions in its markup as TypeScript, the rest as HTML. */
function readSvelte(file, text) {
  const blank = (part) => part.replace(/[^\n]/g, " ");
  const readPart = (index, part) => readJs(file, parsed(`${file}.ts`, text.slice(0, index).replace(/[^\n]/g, "") + part));
  const markup = text.replace(/<(script|style)\b[^>]*>([\s\S]*?)<\/\1>/g, (all, tag, inside, index) => {
    if (tag === "script") readPart(index + all.indexOf(inside), inside);
    return blank(all);
  });
  // Expressions, with up to two levels of braces inside, and the attribute that they are for.
  const html = markup.replace(/(?:([\w-]+)=)?\{((?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*)\}/g, (all, name, inside, index) => {
    if (!/^\s*[#:/@.]/.test(inside)) readPart(index, `({ "${name ?? ""}": ${inside} })`);
    return name ? blank(all) : `{}${blank(all).slice(2)}`;
  });
  readHtml(file, html);
}

const parsed = (path, text) => ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
const folder = process.argv[2] ?? ".";
const root = resolve(folder);
const html = "www/index.html";
readHtml(html, readFileSync(resolve(root, html), "utf8"));
const { config } = ts.readConfigFile(resolve(root, "tsconfig.json"), ts.sys.readFile);
const svelte = [{ extension: ".svelte", isMixedContent: true, scriptKind: ts.ScriptKind.Deferred }];
for (const path of ts.parseJsonConfigFileContent(config, ts.sys, root, undefined, undefined, undefined, svelte).fileNames) {
  const file = relative(root, path).replaceAll("\\", "/");
  const text = readFileSync(path, "utf8");
  if (file.endsWith(".svelte")) readSvelte(file, text);
  else if (/(?<!\.d)\.(js|ts)$/.test(file)) readJs(file, parsed(path, text));
}
