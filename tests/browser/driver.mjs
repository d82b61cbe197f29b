// Drives Chromium for the tests: one JSON command per line on stdin, one JSON answer per line on stdout.
// {id, do: 'launch', flags, env} -> browser   {id, do: 'open', browser, url} -> page
// {id, do: 'call', page, name, args} -> what window.app[name](...args) answers
// {id, do: 'visit', browser, url} -> any other page   {id, do: 'act', page, selector, action, args} -> what Playwright's locator answers
// {id, do: 'run', page, text} -> what this script answers   {id, do: 'go', page, url}   {id, do: 'look', page, width, height, scheme} -> as that window shows it   {id, do: 'shoot', page, path} -> a PNG there
// {id, do: 'judge', page} -> [{rule, impact, help, nodes}]: what axe-core finds wrong   {id, do: 'complaints', page} -> [text]   {id, do: 'links', page} -> [url]
// {id, do: 'traffic', browser} -> [{url, outcome}]   {id, do: 'close' or 'crash', page}
// Ends, with all browsers, when stdin ends.

import {mkdtemp, readFile, rm} from 'node:fs/promises';
import {createRequire} from 'node:module';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {createInterface} from 'node:readline';
import {chromium} from 'playwright-core';

const browsers = [];
const pages = [];
const complaints = [];
const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

const commands = {
  async launch({executable, flags, env}) {
    const profile = await mkdtemp(join(tmpdir(), 'callrouter-chromium-'));
    const context = await chromium.launchPersistentContext(profile, {
      executablePath: executable,
      args: flags,
      env: {...process.env, ...env},
      chromiumSandbox: false,
      ignoreDefaultArgs: ['--mute-audio'],
      permissions: ['microphone'],
    });
    const traffic = [];
    const note = (request, outcome) => traffic.push({url: request.url(), method: request.method(), outcome});
    context.on('response', response => note(response.request(), response.status()));
    context.on('requestfailed', request => note(request, request.failure()?.errorText ?? null));
    return browsers.push({context, profile, traffic}) - 1;
  },

  async open({browser, url}) {
    const page = await commands.visit({browser, url});
    await pages[page].waitForFunction(() => window.app);
    return page;
  },

  async visit({browser, url}) {
    const {context, traffic} = browsers[browser];
    const page = await context.newPage();
    const said = [];
    page.on('pageerror', error => said.push(String(error)));
    page.on('console', message => message.type() === 'error' && said.push(message.text()));
    page.on('websocket', socket => traffic.push({url: socket.url(), method: 'WEBSOCKET', outcome: null}));
    page.on('pageerror', error => process.stderr.write(`page: ${error}\n`));
    page.on('console', message => process.stderr.write(`page: ${message.type()}: ${message.text().split('\n')[0]}\n`));
    await page.goto(url);
    complaints.push(said);
    return pages.push(page) - 1;
  },

  act: ({page, selector, action, args}) => pages[page].locator(selector)[action](...args),

  go: ({page, url}) => pages[page].goto(url).then(() => null),
  async look({page, width, height, scheme}) {
    await pages[page].setViewportSize({width, height});
    await pages[page].emulateMedia({colorScheme: scheme, reducedMotion: 'reduce'});
  },
  shoot: ({page, path}) => pages[page].screenshot({path}).then(() => null),
  async judge({page}) {
    await pages[page].evaluate(await readFile(axe, 'utf8'));
    const {violations, wide} = await pages[page].evaluate(async () => ({
      violations: (await window.axe.run({resultTypes: ['violations']})).violations,
      wide: document.documentElement.scrollWidth > window.innerWidth && [...document.body.querySelectorAll('*')]
        .filter(one => one.getBoundingClientRect().right > window.innerWidth + 1).map(one => one.outerHTML.slice(0, 120)),
    }));
    const found = violations.map(({id, impact, help, nodes}) => (
      {rule: id, impact, help, nodes: nodes.map(({html, any}) => `${html} ${any[0]?.message ?? ''}`)}));
    if (wide) found.push({rule: 'reflow', impact: 'serious', help: 'The page is wider than its window', nodes: wide});
    return found;
  },
  run: ({page, text}) => pages[page].evaluate(text),
  links: ({page}) => pages[page].evaluate(() => [...document.querySelectorAll('a[href]')].map(link => link.href)),
  complaints: ({page}) => complaints[page],

  call: ({page, name, args}) => pages[page].evaluate(([name, args]) => window.app[name](...args), [name, args]),
  traffic: ({browser}) => browsers[browser].traffic,
  crash: ({page}) => new Promise(resolve => {
    pages[page].once('crash', () => resolve());
    pages[page].goto('chrome://crash').catch(() => {});
  }),
  close: ({page}) => pages[page].close(),
};

async function obey(line) {
  const {id, do: what, ...fields} = JSON.parse(line);
  let answer;
  try {
    answer = {id, result: (await commands[what](fields)) ?? null};
  } catch (error) {
    answer = {id, error: error.message};
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}

for await (const line of createInterface({input: process.stdin})) void obey(line);
for (const {context, profile} of browsers) {
  await context.close().catch(() => {});
  await rm(profile, {recursive: true, force: true});
}
