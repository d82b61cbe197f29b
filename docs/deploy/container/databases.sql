CREATE DATABASE presence OWNER callrouter;
