// SPDX-License-Identifier: Apache-2.0
//
// Where the pages are: our host (LUCI_HOST), or a real LuCI (LUCI_URL, LUCI_USER, LUCI_PASSWORD; for a login that may only
// read LUCI_READER, LUCI_READER_PASSWORD).

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { place, target, visit } from './browser.mjs';

const env = process.env;
export const real = Boolean(env.LUCI_URL);
export const url = (env.LUCI_URL ?? env.LUCI_HOST ?? 'http://127.0.0.1:8099').replace(/\/(cgi-bin\/luci\/?)?$/, '');
export const hasReader = !real || Boolean(env.LUCI_READER);
export const pictures = real ? join(target, 'real') : target;
mkdirSync(pictures, { recursive: true });

/* What goes wrong in any page is kept here, with the page where it did. */
export const faults = [];
/* Texts that had no translation. */
export const untranslated = new Set();

/* A page of a browser's window of its own, logged in. */
export async function enter(browser, options = {}) {
	const page = await visit(browser, { ...options, url });
	page.setDefaultTimeout(8000);
	const at = () => new URL(page.url()).pathname.split('/').pop();
	const note = (kind, words) => {
		/* What a page that is left behind still waited for; and of a bench without cgi-io, what only that has. */
		if (at() == 'blank' || (real && words.includes('/cgi-bin/cgi-exec')))
			return;
		faults.push({ kind, page: at(), words });
	};

	page.on('console', message => message.type() == 'error' && !/Failed to fetch|XHR request aborted/.test(message.text()) && note('console', `${message.text()} ${message.location()?.url ?? ''}`));
	/* A question under way when the page is left ends so; it is no fault. */
	page.on('pageerror', error => !/^(TypeError: )?Failed to fetch|XHR request aborted/.test(error.message) && note('error', error.stack ?? error.message));
	page.on('request', request => {
		const to = request.url();
		if (!to.startsWith(url) && !/^(data|blob|about):/.test(to))
			note('foreign', to);
	});
	page.on('dialog', dialog => {
		/* Confirmations are of the application, alerts of somebody else. */
		if (dialog.type() == 'confirm')
			return dialog.accept();
		note('alert', dialog.message());
		return dialog.dismiss();
	});

	if (real) {
		const reader = options.rights == 'read';
		await page.goto(`${url}/cgi-bin/luci/`);
		await page.locator('[name=luci_username]').fill(reader ? env.LUCI_READER : env.LUCI_USER ?? 'root');
		await page.locator('[name=luci_password]').fill((reader ? env.LUCI_READER_PASSWORD : env.LUCI_PASSWORD) ?? '');
		await page.locator('[name=luci_password]').press('Enter');
		await page.waitForSelector('#maincontent, #view', { timeout: 20000 });
		await page.waitForFunction(() => !document.querySelector('[name=luci_password]'), null, { timeout: 20000 });
		/* LuCI asks for the login with status 403. */
		faults.splice(0, faults.length, ...faults.filter(fault => !fault.words.includes('403')));
	}
	return page;
}

/* Opens a page of the application, and waits until its view is drawn. */
export async function open(page, name, hash = '') {
	/* A page that was just saved loads itself anew, perhaps at this moment: the second try comes after that. */
	await page.goto('about:blank').catch(() => page.goto('about:blank'));
	await page.goto(`${url}/cgi-bin/luci/${place(name)}${hash}`);
	await page.waitForFunction(() => {
		const view = document.getElementById('view');
		return view && view.childElementCount > 0 && view.textContent.trim() != '' && !view.querySelector(':scope > .spinning') &&
			(!window.__host || window.__host.ready);
	}, null, { timeout: 20000 });
	await page.waitForTimeout(150);
	await collect(page);
}

/* Takes up what the stand-in has noticed, and whether markup has come to life. */
export async function collect(page) {
	const seen = await page.evaluate(() => ({
		errors: window.__host?.errors.splice(0) ?? [],
		texts: [ ...(window.__host?.untranslated ?? []) ],
		alive: document.querySelectorAll('img[src="x"], details[ontoggle]').length,
		hit: window.__hit !== undefined
	}));
	const at = new URL(page.url()).pathname.split('/').pop();
	seen.errors.filter(words => !/Failed to fetch|XHR request aborted/.test(words)).forEach(words => faults.push({ kind: 'error', page: at, words }));
	seen.texts.forEach(text => untranslated.add(text));
	if (seen.alive || seen.hit)
		faults.push({ kind: 'alive', page: at, words: `${seen.alive} elements out of data, program text ran: ${seen.hit}` });
}

/* Calls ubus with the session of the page. */
export function ubus(page, object, method, args = {}) {
	return page.evaluate(async ([ object, method, args ]) => {
		const reply = await fetch(L.env.ubuspath ?? '/ubus/', {
			method: 'POST',
			headers: { 'Content-Type': 'application/json' },
			/* What a daemon that ends was asked is never answered. */
			signal: AbortSignal.timeout(4000),
			body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'call', params: [ L.env.sessionid, object, method, args ] })
		});
		const answer = await reply.json();
		if (answer.error)
			throw new Error(`${object}.${method}: ${answer.error.code} ${answer.error.message}`);
		if (answer.result[0] != 0)
			throw new Error(`${object}.${method}: status ${answer.result[0]}`);
		return answer.result[1] ?? null;
	}, [ object, method, args ]);
}

/* A section of the settings as they stand. */
export async function setting(page, section) {
	const { values } = await ubus(page, 'uci', 'get', { config: 'glimpse' });
	return values[section] ?? null;
}

/* What only the stand-in can do. */
export async function host(path, body) {
	const reply = await fetch(`${url}/host/${path}`, body === undefined ? {} : { method: 'POST', body });
	if (!reply.ok)
		throw new Error(`/host/${path}: ${reply.status} ${await reply.text()}`);
	return reply.text();
}

/* The servers whose answers are hostile: our host's, or for a real LuCI those of a host on the same machine (LUCI_LAB=http://…). */
export async function servers() {
	const from = real ? env.LUCI_LAB : url;
	return from ? (await fetch(`${from}/host/lab`)).json() : null;
}

/* Asks until it holds. */
export async function until(what, look, patience = 20000) {
	const end = Date.now() + patience;
	for (;;) {
		const found = await look();
		if (found)
			return found;
		if (Date.now() > end)
			throw new Error(`${what}: not within ${patience / 1000} s`);
		await new Promise(resolve => setTimeout(resolve, 150));
	}
}
