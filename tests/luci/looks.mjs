// SPDX-License-Identifier: Apache-2.0
//
// What holds of every page: drawn, in both shades and widths, by keyboard, in German, without the daemon, for readers.

import { join } from 'node:path';
import { pages } from './browser.mjs';
import { must } from './report.mjs';
import { collect, enter, faults, hasReader, host, open, pictures, real, ubus, untranslated } from './site.mjs';

const all = [ ...pages, 'start' ];
const view = page => page.locator('#view');
const words = async page => (await view(page).innerText()).replace(/\s+/g, ' ').trim();

/* The controls that can be used by pointer, and of these the ones that Tab has not come to. */
const CONTROLS = 'a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex="0"]';

async function unreached(page) {
	const count = await page.evaluate(selector => {
		window.__reached = new Set();
		window.__wanted = () => Array.from(document.querySelectorAll(`#view ${selector.replaceAll(', ', ', #view ')}`)).filter(node =>
			!node.disabled && node.checkVisibility({ visibilityProperty: true }) &&
			/* The browser stops at one of a group of radio buttons. */
			!(node.type == 'radio' && document.querySelector(`input[name="${CSS.escape(node.name)}"]:checked`) != node));
		document.addEventListener('focusin', event => window.__reached.add(event.target));
		document.activeElement?.blur();
		document.getElementById('view').setAttribute('tabindex', '-1');
		document.getElementById('view').focus();
		return window.__wanted().length;
	}, CONTROLS);
	for (let i = 0; i < count + 10; i++)
		await page.keyboard.press('Tab');
	const missed = await page.evaluate(() => window.__wanted().filter(node => !window.__reached.has(node))
		.map(node => node.outerHTML.slice(0, 120)));
	return { count, missed };
}

/* What is wider than the screen. */
function wide(page) {
	return page.evaluate(() => {
		const most = document.documentElement.clientWidth;
		const over = document.documentElement.scrollWidth - most;
		const nodes = over > 0 ? Array.from(document.querySelectorAll('#view *')).filter(node => node.getBoundingClientRect().right > most + 1)
			.slice(0, 3).map(node => node.outerHTML.slice(0, 100)) : [];
		return { over, nodes };
	});
}

export async function looks(browser, report) {
	const headings = {};
	for (const [ width, dark ] of [ [ 1440, false ], [ 1440, true ], [ 375, false ], [ 375, true ] ]) {
		const page = await enter(browser, { width, dark });
		for (const name of all) {
			const shade = dark ? 'dark' : 'light';
			const draw = async () => {
				await open(page, name);
				headings[name] = await words(page);
				must(headings[name].length > 30, `only says "${headings[name]}"`);
				await page.waitForTimeout(name == 'overview' || name == 'history' ? 500 : 100);
				await page.screenshot({ path: join(pictures, `${name}-${width}-${shade}.png`), fullPage: true });
				if (dark) {
					const colour = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
					must(colour.match(/\d+/g).slice(0, 3).every(part => part < 90), `background ${colour}`);
				}
			};
			const drawn = await report.check(`${name} is drawn ${width} px wide, ${shade}`, draw);
			if (drawn && width == 375 && !dark)
				await report.check(`${name} is no wider than a phone`, async () => {
					const { over, nodes } = await wide(page);
					must(over <= 0, `${over} px too wide: ${nodes.join(' ')}`);
				});
			if (drawn && width == 1440 && !dark)
				await report.check(`${name}: every control can be reached by keyboard`, async () => {
					const { count, missed } = await unreached(page);
					must(count > 0, 'there is no control');
					must(!missed.length, `not reached: ${missed.join(' ')}`);
				});
			await collect(page);
		}
		await page.context().close();
	}
	return headings;
}

export async function german(browser, report, english) {
	const page = await enter(browser, { language: 'de', width: 375 });
	await open(page, 'overview');
	if (real && await page.evaluate(() => document.documentElement.lang) != 'de') {
		/* Its packages of German texts are not installed. */
		all.forEach(name => report.skip(`${name} speaks German`));
		return page.context().close();
	}
	for (const name of all) {
		untranslated.clear();
		await report.check(`${name} speaks German`, async () => {
			await open(page, name);
			must(await words(page) != english[name], 'says the same as in English');
			must(await page.evaluate(() => document.documentElement.lang) == 'de', 'the page is not marked as German');
			must(!untranslated.size, `not translated: ${[ ...untranslated ].map(text => JSON.stringify(text)).join(', ')}`);
			const { over, nodes } = await wide(page);
			must(over <= 0, `${over} px too wide: ${nodes.join(' ')}`);
			await page.screenshot({ path: join(pictures, `${name}-375-german.png`), fullPage: true });
		});
	}
	return page.context().close();
}

/* The controls by which a page changes the router or sends packets. */
const WRITES = {
	overview: [ 'Yes, others may measure from here' ],
	toolbox: [ 'Run' ],
	troubleshooter: [ 'Speed test', 'Internet does not work', 'Internet is slow' ],
	schedules: [ 'Add' ],
	settings: [ 'Save & Apply', 'Save', 'Join', 'Erase everything' ],
	survey: [ 'Save' ]
};

export async function readers(browser, report) {
	if (!hasReader) {
		for (const name of Object.keys(WRITES))
			report.skip(`${name}: a reader cannot change anything`);
		return;
	}
	const page = await enter(browser, { rights: 'read' });
	for (const [ name, labels ] of Object.entries(WRITES))
		await report.check(`${name}: a reader cannot change anything`, async () => {
			await open(page, name);
			for (const label of labels) {
				const buttons = page.locator('#view button').filter({ hasText: label });
				const states = await buttons.evaluateAll(nodes => nodes.map(node => node.disabled));
				must(states.length || label == 'Save & Apply' || label == 'Save', `no button "${label}"`);
				must(states.every(state => state), `"${label}" can be pressed`);
			}
			must(/may (only )?look/.test(await words(page)), 'it does not say why');
		});
	await report.check('a reader is refused by the router itself', async () => {
		for (const [ object, method, args ] of [ [ 'glimpse', 'run', { method: 'ping', options: {} } ], [ 'glimpse', 'erase', { confirm: 'erase' } ],
			[ 'uci', 'set', { config: 'glimpse', section: 'consent', values: { enabled: '1' } } ] ]) {
			const refused = await ubus(page, object, method, args).then(() => null, error => error.message);
			must(refused?.match(/-32002|status 6/), `${object}.${method} was not refused: ${refused}`);
		}
	});
	await page.context().close();
}

export async function absent(browser, report) {
	const names = all.map(name => `${name} explains when there is no daemon`);
	if (real) {
		names.forEach(name => report.skip(name));
		report.skip('overview comes back with the daemon');
		return;
	}
	await host('daemon/stop', '');
	const page = await enter(browser, { width: 375 });
	for (const name of all)
		await report.check(`${name} explains when there is no daemon`, async () => {
			await open(page, name);
			/* It asks for nothing before it is told to. */
			if (name == 'troubleshooter')
				await page.locator('#view button').first().click();
			await page.waitForFunction(() => document.getElementById('view').innerText.includes('does not run on this router'), null, { timeout: 8000 })
				.catch(async () => must(false, `says "${(await words(page)).slice(0, 200)}"`));
			const said = await words(page);
			if (name != 'start')
				must(said.includes('glimpse-agent start'), 'does not say what to do');
			await page.screenshot({ path: join(pictures, `${name}-375-absent.png`), fullPage: true });
		});
	await report.check('overview comes back with the daemon', async () => {
		await open(page, 'overview');
		await host('daemon/start', '');
		await page.waitForFunction(() => !document.getElementById('view').innerText.includes('does not run on this router'), null, { timeout: 25000 });
	});
	await page.context().close();
}

export async function clean(report) {
	for (const [ kind, name ] of [ [ 'console', 'no page writes errors to the console' ], [ 'error', 'no page fails' ],
		[ 'foreign', 'no page asks a foreign host' ], [ 'alive', 'no text out of data comes to life' ], [ 'alert', 'no program text out of data runs' ] ])
		await report.check(name, async () => {
			const found = faults.filter(fault => fault.kind == kind);
			must(!found.length, [ ...new Set(found.map(fault => `${fault.page}: ${fault.words}`)) ].join('\n'));
		});
}
