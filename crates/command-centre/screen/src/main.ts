import './app.css';
import { mount } from 'svelte';
import App from './App.svelte';
import { Centre } from './lib/store.svelte';

const target = document.getElementById('app');
if (!target) throw new Error('index.html has no element #app');

const centre = new Centre();
mount(App, { target, props: { centre } });
void centre.open();
