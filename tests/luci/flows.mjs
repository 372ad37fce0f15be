// SPDX-License-Identifier: Apache-2.0
//
// What people do with the pages, from the first click to what it changes in the daemon.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { equal, must } from './report.mjs';
import { collect, enter, faults, host, open, pictures, real, servers, setting, ubus, until } from './site.mjs';

const HOSTILE = '<img src=x onerror="window.__hit=1">';
/* Names escape blanks and quotes. */
const HOSTILE_NAME = '<details/open/ontoggle=__hit=1>';
const view = page => page.locator('#view');
const text = page => view(page).innerText();
const button = (page, label, scope = '#view') => page.locator(`${scope} button`).filter({ hasText: label });

const choose = (page, method) => page.getByLabel('Measurement', { exact: true }).selectOption(method);

/* Runs a method in the toolbox with options by their names, to its end. */
async function measure(page, method, options, patience = 30000) {
	await open(page, 'toolbox');
	await choose(page, method);
	for (const [ name, value ] of Object.entries(options)) {
		const input = page.locator(`#gl-${name}`);
		if (!await input.isVisible())
			await page.locator('#view summary').filter({ hasText: 'More options' }).click();
		if (await input.evaluate(node => node.tagName == 'SELECT'))
			await input.selectOption(value);
		else
			await input.fill(value);
	}
	await button(page, 'Run').click();
	await until(`${method} ends`, () => page.evaluate(() => {
		const told = document.querySelector('#view .gl-told');
		return told && told.childElementCount > 0 && !told.querySelector('.spinning');
	}), patience);
	await collect(page);
}

async function toolbox(page, report, lab) {
	await report.check('toolbox: a ping of this router is run to its end and explained', async () => {
		await measure(page, 'ping', { host: '127.0.0.1', type: 'Icmp', count: '3' });
		const said = await page.locator('.gl-told h3').innerText();
		must(/127\.0\.0\.1 answers in .*s; 0 of 3 packets were lost/.test(said), `says "${said}"`);
		must((await page.locator('.gl-told').innerText()).includes('Your own'), 'is not marked as the household\'s own');
		await page.screenshot({ path: join(pictures, 'toolbox-result.png'), fullPage: true });
	});
	await report.check('toolbox: a wrong value is said at its field and nothing is sent', async () => {
		await open(page, 'toolbox');
		await choose(page, 'ping');
		await page.locator('#gl-host').fill('127.0.0.1');
		await page.locator('#gl-count').fill('1001');
		await button(page, 'Run').click();
		await page.waitForTimeout(500);
		must(await page.locator('#gl-count').evaluate(node => node.matches(':invalid') || node.getAttribute('aria-invalid') == 'true'), 'the field is not marked');
		equal(await page.evaluate(() => document.activeElement.id), 'gl-count', 'the focus');
		equal((await page.locator('.gl-told').innerText()).trim(), '', 'progress');
	});
	await report.check('toolbox: a refusal of the agent is said in words', async () => {
		await measure(page, 'ping', { host: 'no such host' });
		const said = await view(page).innerText();
		must(/host/i.test(said) && !/undefined|\[object/.test(said), `says "${said.slice(0, 300)}"`);
	});
	await report.check('toolbox: a trace is drawn', async () => {
		await measure(page, 'traceroute', { host: '127.0.0.1', max_hops: '3' });
		must(/127\.0\.0\.1 is 1 hop away/.test(await page.locator('.gl-told h3').innerText()), `says "${await page.locator('.gl-told h3').innerText()}"`);
	});
	await report.check('toolbox: markup in the name of a wireless network stays text', async () => {
		/* There is no wireless card to hear it with: the page draws a record. */
		await open(page, 'toolbox');
		const count = await page.evaluate(async markup => {
			const drawn = (await L.require('glimpse.result')).render({ method: 'wifi', status: 'ok', own: true, bytes: { sent: 0, received: 0 }, duration: 1,
				start_time: '2026-11-22T12:00:00Z', probe_result: { ap_list: [ { interface: markup, ssid: markup, stations: [ { level: -60 } ] } ] } });
			const place = document.querySelector('#view').appendChild(drawn);
			return place.textContent.split(markup).length - 1;
		}, HOSTILE);
		must(count >= 2, `shows it ${count} times`);
		equal(await page.locator('#view img').count(), 0, 'images');
		await collect(page);
	});
	const announced = 'toolbox: markup in what a device announces stays text';
	if (!lab?.gateway)
		report.skip(announced);
	else
		await report.check(announced, async () => {
			await measure(page, 'upnp', { timeout: '1000' });
			await page.locator('.gl-told details').first().evaluate(node => { node.open = true; });
			const said = await page.locator('.gl-told').innerText();
			must(said.split(HOSTILE).length > 3, `does not show name, maker and model: "${said.slice(0, 300)}"`);
			equal(await page.locator('#view img').count(), 0, 'images');
			await collect(page);
		});
	if (!lab) {
		for (const kind of [ 'names', 'texts', 'mail servers' ])
			report.skip(`toolbox: markup in ${kind} of a DNS answer stays text`);
		return;
	}
	for (const [ kind, method, options ] of [
		[ 'names', 'reversednslookup', { ip: '192.0.2.1' } ],
		[ 'texts', 'dnslookup', { host: 'text.example', type: 'TXT' } ],
		[ 'mail servers', 'dnslookup', { host: 'mail.example', type: 'MX' } ]
	])
		await report.check(`toolbox: markup in ${kind} of a DNS answer stays text`, async () => {
			await measure(page, method, { ...options, dns_server: lab.dns });
			await page.locator('.gl-told details').first().evaluate(node => { node.open = true; });
			const said = await page.locator('.gl-told').innerText();
			must(said.includes(method == 'dnslookup' && options.type == 'TXT' ? '<img src=x' : HOSTILE_NAME), `does not show it: "${said.slice(0, 300)}"`);
			await collect(page);
		});
}

async function troubleshooter(page, report) {
	await report.check('trouble-shooter: the chain runs to its end and names a finding', async () => {
		await open(page, 'troubleshooter');
		await button(page, 'Internet does not work').click();
		await until('steps appear', () => page.locator('.gl-steps li').count(), 10000);
		await until('a finding', () => page.locator('#view .gl-answer').count(), 60000);
		must((await page.locator('#view .gl-answer').innerText()).length > 10, 'the finding says nothing');
		must((await page.locator('.gl-steps li').count()) >= 5, `${await page.locator('.gl-steps li').count()} steps`);
		must((await page.locator('#view pre').innerText()).length > 50, 'there is no report for the provider');
		must(await button(page, 'Internet is slow').isEnabled(), 'the buttons stay locked');
		await page.screenshot({ path: join(pictures, 'troubleshooter-finding.png'), fullPage: true });
		await collect(page);
	});
}

async function consent(page, report) {
	const enabled = async () => (await setting(page, 'consent'))?.enabled ?? '0';
	const daemon = async () => (await ubus(page, 'glimpse', 'status')).consent;
	await report.check('overview: consent is asked for, with both buttons alike', async () => {
		await open(page, 'overview');
		const styles = await page.locator('#view button').filter({ hasText: /^(Yes, others|No, measure)/ })
			.evaluateAll(nodes => nodes.map(node => `${getComputedStyle(node).backgroundColor} ${getComputedStyle(node).color} ${node.offsetHeight}`));
		equal(styles.length, 2, 'buttons');
		equal(styles[0], styles[1], 'their style');
		equal((await page.locator('#view .gl-card li').count()), 6, 'lines that explain');
	});
	await report.check('overview: consent given is written to the settings, and the daemon takes it', async () => {
		equal(await enabled(), '0', 'consent before');
		await button(page, 'Yes, others may measure').click();
		await until('the settings', async () => await enabled() == '1');
		await until('the daemon', daemon);
	});
	await report.check('settings: consent withdrawn is written, and the daemon takes it', async () => {
		await page.waitForTimeout(1200);
		await open(page, 'settings');
		const box = page.locator('[data-name="enabled"] input[type=checkbox]').first();
		must(await box.isChecked(), 'the box does not show that consent was given');
		await box.uncheck();
		await page.locator('.cbi-page-actions .cbi-button-apply').first().click();
		await until('the settings', async () => await enabled().catch(() => null) == '0', 15000);
		await until('the daemon', async () => await daemon().catch(() => null) === false, 15000);
		await page.waitForTimeout(1500);
	});
	await report.check('settings: a value out of bounds is refused and not written', async () => {
		await open(page, 'settings');
		await page.locator('.cbi-tabmenu a').filter({ hasText: 'Limits' }).click();
		await page.locator('[data-name="cross_traffic_kbps"] input').fill('lots');
		/* LuCI rejects the promise of what the button does, beside saying it. */
		const before = faults.length;
		await page.locator('.cbi-page-actions .cbi-button-save').click();
		await page.waitForTimeout(400);
		await collect(page);
		const others = faults.splice(before).filter(fault => !fault.words.includes('invalid input value'));
		faults.push(...others);
		const limits = await setting(page, 'limits');
		must(limits.cross_traffic_kbps != 'lots', 'it was written');
		must(await page.locator('.modal, .cbi-input-invalid').first().isVisible(), 'nothing is said');
		await page.keyboard.press('Escape');
	});
	await report.check('settings: a limit is written in bytes', async () => {
		await open(page, 'settings');
		await page.locator('.cbi-tabmenu a').filter({ hasText: 'Limits' }).click();
		await page.locator('[data-name="monthly_bytes"] input').fill('250');
		await page.locator('.cbi-page-actions .cbi-button-apply').first().click();
		await until('the settings', async () => (await setting(page, 'limits').catch(() => null))?.monthly_bytes == '262144000', 15000);
		await until('the daemon', async () => (await ubus(page, 'glimpse', 'budget').catch(() => null))?.fixed?.cap_bytes == 262144000, 15000);
		await page.waitForTimeout(1500);
	});
}

async function schedules(page, report) {
	const sections = async () => Object.values((await ubus(page, 'uci', 'get', { config: 'glimpse' })).values).filter(one => one['.type'] == 'schedule');
	const title = `Nightly ${HOSTILE}`;
	const mine = async () => (await sections()).find(one => one.title == title);
	const row = () => page.locator('#view tr').filter({ hasText: title });
	let name = null;

	await report.check('schedules: one is added, by a form, and the daemon plans it', async () => {
		await open(page, 'schedules');
		/* Of an earlier run that failed. */
		if (await mine()) {
			await row().locator('button').filter({ hasText: 'Delete' }).first().click();
			await until('its deletion', async () => !await mine());
		}
		await button(page, 'Add').click();
		const modal = page.locator('.modal');
		await modal.locator('#gl-title').fill(title);
		await modal.locator('#gl-every_minutes').fill('15');
		await modal.locator('#gl-method').selectOption('ping');
		await modal.locator('#gl-host').fill('127.0.0.1');
		await page.screenshot({ path: join(pictures, 'schedules-form.png') });
		await button(page, 'Save', '.modal').click();
		const section = await until('the settings', mine);
		name = section['.name'];
		equal([ section.method, section.timing, section.every_minutes, section.option ], [ 'ping', 'periodic', '15', [ 'host=127.0.0.1' ] ], 'the section');
		await until('the daemon', async () => (await ubus(page, 'glimpse', 'schedules')).schedules.some(one => one.own && one.id == name));
	});
	await report.check('schedules: markup in a title stays text', async () => {
		try {
			await until('the row', () => row().count(), 8000);
			equal(await page.locator('#view img, .modal img').count(), 0, 'images');
		}
		finally {
			await collect(page);
		}
	});
	await report.check('schedules: paused, run at once, deleted', async () => {
		await row().locator('button').filter({ hasText: 'Pause' }).click();
		await until('the pause', async () => (await mine())?.enabled == '0');
		await until('the button', () => row().locator('button').filter({ hasText: 'Resume' }).count());
		await row().locator('button').filter({ hasText: 'Run now' }).click();
		await until('the history', () => page.url().endsWith('/history'), 20000);
		await open(page, 'schedules');
		await row().locator('button').filter({ hasText: 'Delete' }).click();
		await until('the deletion', async () => !await mine());
		await until('the daemon', async () => !(await ubus(page, 'glimpse', 'schedules')).schedules.some(one => one.own && one.id == name));
		await page.waitForTimeout(1200);
	});
}

async function survey(page, report) {
	await report.check('survey: answers are kept and shown again', async () => {
		await open(page, 'survey');
		await page.locator('#gl-down').fill('100');
		await page.locator('#gl-provider').fill(HOSTILE);
		await page.locator('#gl-technology').selectOption('fibre');
		await button(page, 'Save').click();
		await until('an answer', async () => /Saved/.test(await text(page)));
		const kept = await ubus(page, 'glimpse', 'survey_get');
		equal([ kept.answers.contract_down_kbps, kept.answers.technology, kept.shared ], [ 100000, 'fibre', false ], 'what the agent keeps');
		await open(page, 'survey');
		equal(await page.locator('#gl-provider').inputValue(), HOSTILE, 'the field');
	});
	const down = async () => (await ubus(page, 'glimpse', 'status')).verdict.figures.find(one => one.figure == 'down');
	await report.check('the contract of the survey is what speed is compared with', async () => {
		const { against, against_what } = await down();
		equal([ against, against_what ], [ 100000, 'contract' ], 'the figure');
	});
	await report.check('survey: answers are withdrawn by saving none', async () => {
		await page.locator('#gl-down').fill('');
		await page.locator('#gl-provider').fill('');
		await page.locator('#gl-technology').selectOption('');
		await button(page, 'Save').click();
		await until('its words', async () => /Saved/.test(await text(page)));
		equal((await ubus(page, 'glimpse', 'survey_get')).answers, null, 'answers left');
		must((await down()).against_what != 'contract', 'speed is still compared with it');
	});
}

async function saved(page, label) {
	const [ download ] = await Promise.all([ page.waitForEvent('download', { timeout: 15000 }), button(page, label).click() ]);
	return readFile(await download.path(), 'utf8');
}

/* Rows of CSV as RFC 4180 has them. */
function rows(csv) {
	const all = [ [ '' ] ];
	for (let i = 0, quoted = false; i < csv.length; i++) {
		const row = all[all.length - 1], c = csv[i];
		if (quoted && c == '"' && csv[i + 1] == '"')
			row[row.length - 1] += csv[++i];
		else if (c == '"')
			quoted = !quoted;
		else if (!quoted && c == ',')
			row.push('');
		else if (!quoted && c == '\n')
			all.push([ '' ]);
		else if (quoted || c != '\r')
			row[row.length - 1] += c;
	}
	return all.filter(row => row.length > 1 || row[0]);
}

async function history(page, report) {
	let wanted = [];
	await report.check('history: graphs have points, the table the results', async () => {
		await open(page, 'history');
		wanted = (await ubus(page, 'glimpse', 'results', { limit: 100 })).results.map(one => one.id);
		must(wanted.length >= 3, `only ${wanted.length} results`);
		equal(await page.locator('#view section').count(), 6, 'figures');
		must(await page.locator('#view svg').count() >= 3, `${await page.locator('#view svg').count()} graphs`);
		must(await page.locator('#view svg .gl-line, #view svg .gl-dot').count() > 0, 'no graph has a point');
		must(await page.locator('#view table.table tr').count() >= 3, 'the table is empty');
	});
	await report.check('history: ranges can be chosen', async () => {
		for (const label of [ '7 days', '30 days', '1 year', '24 hours' ]) {
			await button(page, label).click();
			await until(label, async () => await button(page, label).getAttribute('aria-pressed') == 'true');
		}
	});
	await report.check('history: details of a result are shown as text', async () => {
		await button(page, 'Details').first().click();
		must((await page.locator('.modal pre').innerText()).includes('"id"'), 'no JSON');
		equal(await page.locator('.modal img').count(), 0, 'images');
		await page.keyboard.press('Escape');
		await until('the window closes', async () => !await page.locator('.modal').isVisible(), 3000);
	});
	await report.check('history: what is saved as JSON is JSON, with every result', async () => {
		const text = await saved(page, 'Save as JSON');
		const records = JSON.parse(text);
		const ids = (Array.isArray(records) ? records : records.results).map(one => one.id);
		const missing = wanted.filter(id => !ids.includes(id));
		must(!missing.length, `missing: ${missing.join(' ')}`);
	});
	await report.check('history: what is saved as CSV is a table, with every result', async () => {
		const [ head, ...table ] = rows(await saved(page, 'Save as CSV'));
		const at = head.indexOf('id');
		must(at >= 0, `columns ${head.join(' ')}`);
		must(table.every(row => row.length == head.length), `rows of ${[ ...new Set(table.map(row => row.length)) ].join(', ')} cells, ${head.length} columns`);
		const missing = wanted.filter(id => !table.some(row => row[at] == id));
		must(!missing.length, `missing: ${missing.join(' ')}`);
		const formula = table.flat().find(cell => /^[=+@]/.test(cell));
		must(!formula, `a cell that a spreadsheet would run: ${formula}`);
	});
}

/* Text of others in places where only the agent's words are expected. */
async function errors(page, report, lab) {
	const refused = 'overview: markup in a refused setting stays text';
	if (real)
		report.skip(refused);
	else
		await report.check(refused, async () => {
			const before = await host('settings');
			await host('settings', before.replace(/(config log '?log'?\n)/, `$1\toption level '${HOSTILE}'\n`).replace(/\toption level 'debug'\n/, ''));
			try {
				await open(page, 'overview');
				await until('the daemon\'s words', async () => (await text(page)).includes('<img src=x'), 15000);
				equal(await page.locator('#view img').count(), 0, 'images');
				await collect(page);
			}
			finally {
				await host('settings', before);
			}
		});
	const said = () => page.locator('#view [role=status]').allInnerTexts().then(all => all.join(' '));
	const join = async (controller, token, fingerprint) => {
		await open(page, 'settings');
		await page.locator('.cbi-tabmenu a').filter({ hasText: 'Agent' }).click();
		await page.locator('[data-name="url"] input').fill(controller);
		await page.locator('#view input[type=password]').fill(token);
		await page.locator('#view input[placeholder^="Fingerprint"]').fill(fingerprint);
		await button(page, 'Join').click();
		await until('a refusal', async () => /✗/.test(await said()), 30000);
	};
	await report.check('settings: a token that cannot be one is refused and not shown', async () => {
		await join('https://127.0.0.1:9', HOSTILE, '');
		must(/token/.test(await said()), `says "${await said()}"`);
		must(!(await text(page)).includes(HOSTILE), 'the token is shown');
		await collect(page);
	});
	const answered = 'settings: markup in what a controller says stays text';
	if (!lab) {
		report.skip(answered);
		return;
	}
	await report.check(answered, async () => {
		await join(lab.controller, 'a-token-of-nobody', lab.fingerprint);
		must((await said()).includes(HOSTILE), `says "${await said()}"`);
		equal(await page.locator('#view img').count(), 0, 'images');
		await collect(page);
	});
}

async function erase(page, report) {
	await report.check('settings: erasing wants the word to be typed', async () => {
		await open(page, 'settings');
		await page.locator('#view summary').filter({ hasText: 'Erase everything' }).click();
		const typed = page.getByLabel('erase', { exact: true }), press = button(page, 'Erase everything');
		must(await press.isDisabled(), 'it can be pressed before');
		await typed.fill('ERASE!');
		must(await press.isDisabled(), 'it can be pressed after another word');
		await typed.fill('erase');
		must(await press.isEnabled(), 'it cannot be pressed after the word');
	});
	await report.check('settings: erased is erased', async () => {
		await ubus(page, 'glimpse', 'survey_answer', { answers: { technology: 'fibre' }, share: false });
		await button(page, 'Erase everything').click();
		await until('its words', async () => /Erased here/.test(await text(page)), 20000)
			.catch(async error => must(false, `${error.message}; the page says "${(await page.locator('#view [role=status]').allInnerTexts()).join(' ').trim()}"`));
		const { results } = await until('the daemon', () => ubus(page, 'glimpse', 'results', { limit: 20 })
			.then(answer => answer.results ? answer : null, () => null), 20000);
		equal(results.length, 0, 'results left');
		equal((await ubus(page, 'glimpse', 'survey_get')).answers, null, 'answers left');
	});
}

export async function flows(browser, report) {
	const page = await enter(browser, {});
	const lab = await servers();
	await toolbox(page, report, lab);
	await consent(page, report);
	await schedules(page, report);
	await survey(page, report);
	await history(page, report);
	await errors(page, report, lab);
	await troubleshooter(page, report);
	await page.context().close();
}

/* The last of all: nothing is left after it. */
export async function ending(browser, report) {
	const page = await enter(browser, {});
	await erase(page, report);
	await page.context().close();
}
